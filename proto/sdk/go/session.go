package chamois

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"time"
)

// Request metadata by which a cluster recognises a repeat.
const (
	metadataClientID   = "chamois-client-id"
	metadataSeq        = "chamois-seq"
	metadataAckBelow   = "chamois-ack-below"
	metadataSessionAge = "chamois-session-age-ms"
)

const (
	// sessionAtMost: an older session is left for a new one; the cluster forgets one an hour after its last request.
	sessionAtMost = 20 * time.Minute
	// spanMax is the requests of one session from the oldest that is not done to the newest; the cluster keeps 1,024 outcomes
	// of each.
	spanMax = 512
)

// sessions numbers the changes of a client, so that a repeat is recognised and not made twice.
type sessions struct {
	mu      sync.Mutex
	current *session
}

// A session is a sequence of numbered requests.
type session struct {
	id   string
	born time.Time // with both clocks: the longer of their opinions counts
	next uint64
	open map[uint64]struct{}
}

// A ticket is one call's place in its session.
type ticket struct {
	session  *session
	seq      uint64
	ackBelow uint64
}

// take opens a place in the session; done frees it when the call has ended.
func (s *sessions) take() ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.isSpent() {
		// calls in progress go on in the old one, which their tickets name
		s.current = newSession()
	}
	used := s.current
	seq := used.next
	used.next++
	used.open[seq] = struct{}{}
	return ticket{session: used, seq: seq, ackBelow: used.oldest()}
}

func (s *sessions) done(t ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(t.session.open, t.seq)
}

// metadata are the keys and values of a request with this ticket, as of now.
func (t ticket) metadata() []string {
	return []string{
		metadataClientID, t.session.id,
		metadataSeq, strconv.FormatUint(t.seq, 10),
		metadataAckBelow, strconv.FormatUint(t.ackBelow, 10),
		metadataSessionAge, strconv.FormatInt(t.session.age().Milliseconds(), 10),
	}
}

func newSession() *session {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails: the program ends instead
	return &session{id: hex.EncodeToString(id), born: time.Now(), next: 1, open: map[uint64]struct{}{}}
}

func (s *session) isSpent() bool {
	return s.age() > sessionAtMost || s.next-s.oldest() >= spanMax
}

// oldest is the smallest number that is not done.
func (s *session) oldest() uint64 {
	oldest := s.next
	for seq := range s.open {
		oldest = min(oldest, seq)
	}
	return oldest
}

// age is how long ago the session was opened. One clock stands still while the host sleeps, the other is set by hand: the
// longer time counts.
func (s *session) age() time.Duration {
	now := time.Now()
	return max(now.Sub(s.born), now.Round(0).Sub(s.born.Round(0)))
}
