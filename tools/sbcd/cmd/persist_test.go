package cmd_test

import (
	"strings"
	"syscall"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/tools/sbcd/cmd"
)

// An answered call goes on in a process that finds nothing of the one before but its files: also
// when that was killed.
func TestCallsOutliveTheProcess(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Setenv("STATE_DIRECTORY", t.TempDir())
			callee := udpSocket(t, "127.0.41.1")
			a := config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync}, address(callee))
			a.State.Persistence = &runtime.Persistence{To: "disk", Mode: "at-once"}
			p := start(t, a)
			p.ready()
			caller := udpSocket(t, "127.0.31.1")
			invite(t, caller, a.Listeners[0].Address, "+4989123")
			inv := read(t, callee, "INVITE sip:")
			respond(t, callee, a.Listeners[1].Address, inv, "200 OK")
			ok := read(t, caller, "200 OK")
			p.until("kept", func(s cmd.Status) bool { return s.Engine.Persisted != nil && s.Engine.Persisted.Calls == 1 })
			p.signal(signal)
			p.exit()

			p = start(t, a)
			p.ready()
			if s := p.until("there", func(s cmd.Status) bool { return s.Engine != nil }); s.Engine.Calls.Live != 1 || s.Engine.Persisted.Restored.Calls != 1 {
				t.Fatalf("%d calls live, %+v", s.Engine.Calls.Live, s.Engine.Persisted)
			}
			if out, _, _ := sbcd(t, "status", "--control", p.control); !strings.Contains(out, "\ncalls kept on the disk: ") || !strings.Contains(out, "; of before the boot 1 go on\n") {
				t.Errorf("status:\n%s", out)
			}
			b, err := control.Get(t.Context(), p.control, control.MetricsPath)
			if err != nil {
				t.Fatal(err)
			}
			if want := `trunkline_kept_restored_calls{to="disk"} 1`; !strings.Contains(string(b), want) {
				t.Errorf("metrics lack %s", want)
			}
			var routes []string
			for _, l := range strings.Split(ok, "\r\n") {
				if v, is := strings.CutPrefix(l, "Record-Route: "); is {
					routes = append([]string{"Route: " + v + "\r\n"}, routes...)
				}
			}
			bye := "BYE sip:b@" + address(callee).String() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + address(caller).String() + ";branch=z9hG4bK-bye\r\nMax-Forwards: 70\r\n" + strings.Join(routes, "") +
				"From: <sip:a@example.net>;tag=4989123\r\nTo: <sip:b@example.net>;tag=uas\r\nCall-ID: 4989123@example.net\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
			if _, err := caller.WriteToUDPAddrPort([]byte(bye), a.Listeners[0].Address); err != nil {
				t.Fatal(err)
			}
			respond(t, callee, a.Listeners[1].Address, strings.Replace(read(t, callee, "BYE sip:"), ";tag=uas", "", 1), "200 OK")
			read(t, caller, "2 BYE")
			p.until("ended", func(s cmd.Status) bool { return s.Engine.Calls.Live == 0 && s.Engine.Persisted.Calls == 0 })
			p.stop()
		})
	}
}
