package nic

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// The kernel's own sysfs takes what is written: a network and mount namespace of
// the test, and an interface of four queues in it. It has no interrupts and no
// channels to set, which is told.
func TestKernel(t *testing.T) {
	if os.Getenv("NIC_NAMESPACE") == "" {
		if os.Geteuid() != 0 {
			t.Skip("network namespaces need root")
		}
		cmd := exec.Command("unshare", "--net", "--mount", "sh", "-c",
			`mount -t sysfs sysfs /sys && ip link add wan numrxqueues 4 numtxqueues 4 type veth peer name far && exec "$0" -test.run=^TestKernel$ -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "NIC_NAMESPACE=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestKernel") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	k, err := NewKernel()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	queues := []runtime.Queue{{Queue: 0, RPS: []int{0}}, {Queue: 3, RPS: []int{0}}}
	got := Apply("/", []runtime.NIC{{Name: "wan", Queues: queues}}, k)
	if len(got) != 1 || got[0].Steered != 2 || got[0].Queues != 0 || len(got[0].Problems) != 1 {
		t.Fatalf("got %+v", got)
	}
	for queue, want := range map[string]string{"rx-0": "1", "rx-1": "0", "rx-3": "1"} {
		b, err := os.ReadFile("/sys/class/net/wan/queues/" + queue + "/rps_cpus")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimLeft(strings.TrimSpace(strings.ReplaceAll(string(b), ",", "")), "0"); got != strings.TrimLeft(want, "0") {
			t.Errorf("%s: the kernel has %s, want %s", queue, got, want)
		}
	}
}
