// Package cli is the commands of `trunkline`: each takes its arguments, calls
// the core that does the work, and shows the result. No command decides
// anything a core could.
//
// What is promised: results go to standard output, everything about them that
// is wrong, and progress, to standard error. The exit status is 0 when the
// command did what was asked, 1 when the input is refused or the work failed,
// 2 when the command line itself is wrong, and 130 when a signal ended it.
// Colour and moving bars appear on a terminal alone, and no colour where
// NO_COLOR is set (no-color.org). Files and directories a command writes appear
// whole or not at all. Long flags may be written with one dash or two.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Exit statuses.
const (
	exitOK          = 0
	exitRefused     = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, what shells expect
)

// version is set when the program is built, by the linker.
var version = "unknown"

// Env is what commands see of the world besides their arguments and the files
// these name.
type Env struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time   // for the expiry of signatures alone
	Apt            fs.FS              // the host's apt configuration; nil: none
	Keyring        openpgp.EntityList // keys an archive may be signed with; nil: Debian's
	Executable     string             // this program's path: sbcd and init lie beside it
}

// Main runs the command the process was started with and returns its exit
// status.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	e := Env{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Apt: os.DirFS("/etc/apt")}
	e.Executable, _ = os.Executable() // unknown: --programs is asked for
	return Run(ctx, os.Args[1:], e)
}

// errTold ends a command that has already said what is wrong.
var errTold = errors.New("refused")

// Run runs one command and returns its exit status.
func Run(ctx context.Context, args []string, e Env) int {
	c := &commands{Env: e}
	root := c.root()
	root.SetArgs(doubleDashes(root, args))
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTold):
		return exitRefused
	case !c.started: // cobra's own errors: the command line
		fmt.Fprintf(e.Stderr, "trunkline: %v\nRun `trunkline help` to see what there is.\n", err)
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(e.Stderr, "trunkline: interrupted; nothing half-written was left, so it can simply be run again")
		return exitInterrupted
	}
	fmt.Fprintf(e.Stderr, "trunkline: %v\n", err)
	return exitRefused
}
