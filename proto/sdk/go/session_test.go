package chamois

import (
	"testing"
	"time"
)

// The cluster forgets a session an hour after its last request, and refuses it then.
func TestAnOldSessionIsLeftForANewOne(t *testing.T) {
	var s sessions
	first := s.take()
	s.done(first)
	equal(t, s.take().session, first.session)
	first.session.born = first.session.born.Add(-sessionAtMost - time.Second)
	next := s.take()
	equal(t, next.session == first.session, false)
	equal(t, next.seq, 1)
}

// A call that takes long keeps the outcomes of all later ones from being forgotten: 1,024 are kept.
func TestASessionWithALongCallIsLeftInTime(t *testing.T) {
	var s sessions
	long := s.take()
	for range spanMax - 1 {
		s.done(s.take())
	}
	equal(t, s.current, long.session)
	equal(t, s.take().session == long.session, false)
}

func TestOutcomesAreAcknowledgedUpToTheOldestCallInProgress(t *testing.T) {
	var s sessions
	one, two := s.take(), s.take()
	equal(t, two.ackBelow, 1)
	s.done(one)
	equal(t, s.take().ackBelow, 2)
	s.done(two)
	equal(t, s.take().ackBelow, 3)
}

// The clock on the wall goes on while the host sleeps.
func TestTheAgeIsThatOfTheClockThatWentFurther(t *testing.T) {
	asleep := session{born: time.Now().Round(0).Add(-time.Hour)}
	if age := asleep.age(); age < time.Hour {
		t.Fatal(age)
	}
}
