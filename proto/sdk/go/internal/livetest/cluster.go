// Package livetest starts real clusters for the tests of this module: `chamois demo --keep` on loopback, without root.
package livetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startAtMost = 90 * time.Second
	stopAtMost  = 20 * time.Second
	look        = 100 * time.Millisecond
)

// A Cluster of real member processes, whose members can be killed and started again.
type Cluster struct {
	// Endpoints are the gRPC ports, in member order.
	Endpoints []string `json:"grpc"`
	// CA is the file with the CA's certificate.
	CA string `json:"ca"`
	// Token is an administrator's.
	Token string `json:"token"`

	Members []struct {
		ID  uint64 `json:"id"`
		PID int    `json:"pid"`
	} `json:"members"`

	dir     string
	program string
	demo    *exec.Cmd
	started map[uint64]*exec.Cmd
}

// Program is the executable that CHAMOIS_BIN names, or the repository's debug build. Empty if there is none.
func Program() (string, error) {
	if given := os.Getenv("CHAMOIS_BIN"); given != "" {
		return filepath.Abs(given)
	}
	_, here, _, _ := runtime.Caller(0)
	built := filepath.Join(filepath.Dir(here), "../../../../../target/debug/chamois")
	if _, err := os.Stat(built); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return built, nil
}

// Start starts a cluster of so many members under a new directory.
func Start(members int) (*Cluster, error) {
	program, err := Program()
	if err != nil || program == "" {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "chamois-go-")
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{dir: dir, program: program, started: map[uint64]*exec.Cmd{}}
	state := filepath.Join(dir, "demo")
	cluster.demo = exec.Command(program, "demo", "--keep", "--nodes", "0", "--members", strconv.Itoa(members), "--state-dir", state)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cluster.demo.Stdout, cluster.demo.Stderr = log, log
	// it dies with the tests, and its members with it
	cluster.demo.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cluster.demo.Start(); err != nil {
		return nil, err
	}
	if err := cluster.read(filepath.Join(state, "endpoints.json")); err != nil {
		cluster.Stop()
		return nil, err
	}
	// It ends when a member ends that it did not end itself, so it is stopped: it only holds the addresses from here on.
	return cluster, cluster.demo.Process.Signal(syscall.SIGSTOP)
}

func (c *Cluster) read(file string) error {
	for from := time.Now(); time.Since(from) < startAtMost; time.Sleep(look) {
		text, err := os.ReadFile(file)
		if err == nil {
			return json.Unmarshal(text, c)
		}
	}
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return fmt.Errorf("no cluster within %s: %s", startAtMost, log)
}

// Stop ends all members.
func (c *Cluster) Stop() {
	for _, member := range c.started {
		_ = member.Process.Kill() // it may have ended
		_ = member.Wait()
	}
	_ = c.demo.Process.Signal(syscall.SIGCONT)
	_ = c.demo.Process.Signal(syscall.SIGTERM)
	hard := time.AfterFunc(stopAtMost, func() { _ = c.demo.Process.Kill() })
	_ = c.demo.Wait()
	hard.Stop()
	_ = os.RemoveAll(c.dir)
}

// Kill ends a member as a crash would.
func (c *Cluster) Kill(t testing.TB, id uint64) {
	t.Helper()
	if err := c.signal(id, syscall.SIGKILL); err != nil {
		t.Fatalf("member %d: %v", id, err)
	}
	c.ended(id)
}

// Freeze stops every thread of a member.
func (c *Cluster) Freeze(t testing.TB, id uint64) {
	t.Helper()
	if err := c.signal(id, syscall.SIGSTOP); err != nil {
		t.Fatalf("member %d: %v", id, err)
	}
}

// Thaw lets a frozen member go on; false if it has ended meanwhile: the holder of the service address has a watchdog.
func (c *Cluster) Thaw(t testing.TB, id uint64) bool {
	t.Helper()
	if c.signal(id, syscall.SIGCONT) == nil && c.runs(id) {
		return true
	}
	c.ended(id)
	return false
}

// runs: a process that ended and was not waited for is a zombie, which takes signals too.
func (c *Cluster) runs(id uint64) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Members[id-1].PID))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func (c *Cluster) signal(id uint64, signal syscall.Signal) error {
	return syscall.Kill(c.Members[id-1].PID, signal)
}

// ended reaps a member that was restarted; the others are the demo's children.
func (c *Cluster) ended(id uint64) {
	if member, ok := c.started[id]; ok {
		delete(c.started, id)
		_ = member.Wait()
	}
}

// Restart starts a member that was killed.
func (c *Cluster) Restart(t testing.TB, id uint64) {
	t.Helper()
	config := filepath.Join(c.dir, "demo", fmt.Sprintf("member-%d", id), "chamois.toml")
	member := exec.Command(c.program, "serve", "--config", config)
	member.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := member.Start(); err != nil {
		t.Fatalf("member %d: %v", id, err)
	}
	c.started[id] = member
	c.Members[id-1].PID = member.Process.Pid
}
