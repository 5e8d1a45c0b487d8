// Package cli is the commands of `trunkline`: each takes its arguments, calls
// the core that does the work, and shows the result. No command decides
// anything a core could.
//
// What is promised: results go to standard output, everything that is wrong with
// them, and progress, to standard error. The exit status is 0 when the command
// did what was asked, 1 when the input is refused or the work failed, 2 when the
// command line itself is wrong, and 130 when a signal ended it. Where a command
// has further answers (3 of -check), its help names them. Colour and
// moving bars appear on a terminal alone, and colour never where NO_COLOR is set
// (no-color.org). Files and directories a command writes appear whole or not at
// all. Long flags may be written with one dash or two.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/hashicorp/hcl/v2"
)

// Exit statuses.
const (
	exitOK          = 0
	exitRefused     = 1
	exitUsage       = 2
	exitChanges     = 2   // of -detailed-exitcode: something differs
	exitUnformatted = 3   // of -check: a file would be rewritten
	exitInterrupted = 130 // 128 + SIGINT, what shells expect
)

// version is set when the program is built, by the linker.
var version = "unknown"

// Env is what commands see of the world besides their arguments and the files
// these name.
type Env struct {
	Stdin          io.Reader // nil: nothing to read
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Executable     string // this program's path: sbcd and init lie beside it; empty: not known
}

// Main runs the command the process was started with and returns its exit
// status.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	// Commands are short and leave little behind: collecting less often saves a tenth of
	// `trunkline plan` of a large spec and costs 30 MB.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	e := Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	if exe, err := os.Executable(); err == nil {
		e.Executable = exe
	}
	return Run(ctx, os.Args[1:], e)
}

// errShown ends a command that has already said what is wrong.
var errShown = errors.New("refused")

// exitStatus ends a command that has shown its result, and whose answer is the
// exit status.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// app is one run of the program.
type app struct {
	Env
	inputs      specInputs      // what the flags of specFlags said
	policy      policyOptions   // what the flags of policyFlags said
	calibration calibration     // what --calibration said
	started     bool            // a command's own work has begun: errors are no longer about usage
	diags       hcl.Diagnostics // of the spec loaded last
	sources     map[string]*hcl.File
}

// Run runs one command and returns its exit status.
func Run(ctx context.Context, args []string, e Env) int {
	a := &app{Env: e}
	root := a.root()
	root.SetArgs(doubleDashes(root, args))
	err := root.ExecuteContext(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errShown):
		return exitRefused
	case errors.As(err, &status):
		return int(status)
	case !a.started: // cobra's errors, and our own about arguments
		fmt.Fprintf(e.Stderr, "trunkline: %v\n", err)
		if asksForChanges(args) { // 2 would read as "there are changes"
			return exitRefused
		}
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(e.Stderr, "trunkline: interrupted. Nothing half-written is left; run the command again.")
		return exitInterrupted
	}
	fmt.Fprintf(e.Stderr, "trunkline: %v\n", err)
	return exitRefused
}
