// Package spec reads the HCL specification of one appliance and checks it.
//
// A spec is a directory of *.hcl files, merged in order of their names. [Load]
// gives either a Spec that every later stage may trust, or diagnostics: each
// with the file and line it is about, a terse summary, and a detail that says
// what to write instead. All mistakes that can be found are reported at once,
// in order of file and line. Warnings come beside a usable Spec.
//
// What is promised of a Spec without error diagnostics: every reference between
// blocks resolves; names are unique; every listener's address is on its NIC (or
// loopback); no two listeners share a socket; every destination is a literal
// address that some listener's family reaches and that is not the appliance
// itself; prefixes carry no host bits; baked caches name known dispatcher sets;
// the shares of all listeners add up to 1.
//
// Units: sizes are bytes ("16GiB", binary units), rates bits per second
// ("10Gbps", decimal units), durations Go durations ("30s", "1m30s").
//
// Loading reads below the spec directory and nowhere else: no clock, network,
// environment or host state has a say, so the same bytes give the same Spec.
package spec
