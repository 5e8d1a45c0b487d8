// Package postgrestest runs a PostgreSQL server for a test: a real one, of a data directory of
// its own, on a port of the loopback interface.
//
// It promises that the server ends with the test, by its process, and that what it wrote goes
// with the test's directory. The programs are those of the distribution's package.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/appliance/runtime"
)

// Password is that of User, who may log in with it alone (SCRAM-SHA-256).
const (
	User     = "trunkline"
	Password = "a password with a 'quote'"
)

// within bounds what a server is waited for.
const within = 60 * time.Second

// Server is a server that may be stopped and started again.
type Server struct {
	t       testing.TB
	dir     string
	bin     string
	port    int
	options []string
	attr    *syscall.SysProcAttr
	cmd     *exec.Cmd
	log     bytes.Buffer
	ended   chan struct{}
}

// New makes a data directory and starts a server with further settings ("ssl=on"). It fails
// the test when the package is not there.
func New(t testing.TB, options ...string) *Server {
	t.Helper()
	s := &Server{t: t, bin: programs(t), port: freePort(t), options: options}
	// The server does not run as root, and needs a directory that its user can get to.
	var err error
	if s.dir, err = os.MkdirTemp("/tmp", "pg"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	s.unprivileged()
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run("initdb", "-D", s.data(), "-U", User, "--auth=scram-sha-256", "--pwfile="+password, "-E", "UTF8", "--locale=C", "--no-sync")
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Dir is the directory of the server's files, which options may name.
func (s *Server) Dir() string { return s.dir }

// unprivileged has the server run as a user other than root, if the test is root.
func (s *Server) unprivileged() {
	if uid, gid, root := account(s.t); root {
		Own(s.t, s.dir)
		s.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}

// account is whom the server runs as, when the test is root.
func account(t testing.TB) (uid, gid int, root bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("%v: the package postgresql makes this user (ci/setup test installs it)", err)
	}
	uid, _ = strconv.Atoi(u.Uid)
	gid, _ = strconv.Atoi(u.Gid)
	return uid, gid, true
}

// Own hands a file to the user the server runs as.
func Own(t testing.TB, path string) {
	t.Helper()
	if uid, gid, root := account(t); root {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir, c.SysProcAttr = s.dir, s.attr
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=" + s.dir}
	return c
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Start starts the server and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=20"}
	for _, o := range s.options {
		args = append(args, "-c", o)
	}
	s.cmd = s.command("postgres", args...)
	s.log.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	for deadline := time.Now().Add(within); ; {
		err := s.try(context.Background(), "select 1")
		if err == nil {
			return
		}
		select {
		case <-s.ended:
			s.t.Fatalf("the server ended: %v\n%s", err, &s.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not answer: %v", err)
		}
	}
}

// Kill ends the server as a crash does, its sessions included.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

// Stop ends the server in good order; sessions are ended by it.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	select {
	case <-s.ended:
	case <-time.After(within):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// Database is how the server is reached, with TLS off.
func (s *Server) Database() runtime.Database {
	return runtime.Database{
		Name: "routing", Engine: "postgres", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Database: "postgres", User: User, Password: "routing-password", TLS: "off", Pool: 2,
	}
}

// Exec runs statements.
func (s *Server) Exec(sql string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := s.try(ctx, sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// Value is the first column of the first row, as text; empty: there is none.
func (s *Server) Value(sql string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close(ctx)
	r := c.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if r.Err != nil {
		s.t.Fatalf("%s: %v", sql, r.Err)
	}
	if len(r.Rows) == 0 {
		return ""
	}
	return string(r.Rows[0][0])
}

func (s *Server) connect(ctx context.Context) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", s.port, User))
	if err != nil {
		return nil, err
	}
	cfg.Password, cfg.RuntimeParams = Password, nil // whatever the environment says
	return pgconn.ConnectConfig(ctx, cfg)
}

func (s *Server) try(ctx context.Context, sql string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql).ReadAll()
	return err
}

// programs is the directory of the newest server the distribution has installed.
func programs(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(found[len(found)-1])
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		t.Fatal(errors.Join(err, errors.New("ci/setup test installs PostgreSQL")))
	}
	return filepath.Dir(path)
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
