// Package preflight compares the machine with the one the plan is for, and plans anew
// for a smaller one where the spec wants that.
//
// It promises:
//
//   - the machine is read below a root directory (os.DirFS("/"), or a tree of a test)
//     and never changed: /proc/meminfo, /sys/devices/system/cpu, /sys/class/net,
//     /sys/class/block;
//   - what there is more of than planned is no difference; what there is less of is told
//     by name, with what the plan has, what is there, and what to do about it;
//   - Fit shares out workers and memory by the rules of the plan (appliance/sizing),
//     changes nothing else, and gives an error when too little is left to carry a call.
//
// Sizes are bytes.
package preflight
