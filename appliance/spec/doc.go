// Package spec reads the HCL specification of one appliance, or of a fleet, and
// checks it.
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
// address that some listener's family and transport reach and that is not the
// appliance itself, or a name the appliance has somebody to ask about; dispatcher
// sets follow each other in no circle; prefixes carry no host bits; baked caches
// name known dispatcher sets; the shares of all listeners add up to 1.
//
// Units: sizes are bytes ("16GiB", binary units), rates bits per second
// ("10Gbps", decimal units), durations Go durations ("30s", "1m30s").
//
// # Values
//
// variable blocks take values from outside, as in Terraform: the last of -var and
// -var-file ([Options.Variables]) counts, then the variables of the appliance's
// own block, then the environment ([VariablePrefix] + name, empty being none),
// then the default. An appliance's entry is reviewed, so it goes before the
// environment of whoever runs the command. null is as if nothing were given. A
// value of the wrong type, or one its validation refuses, is a diagnostic at the
// place it was given. locals come after the variables, in the order they need
// each other; dynamic blocks are expanded in place, and what they make is checked
// as if written out. appliance.name is the name of the appliance being read.
//
// # Fleets
//
// A directory may hold several appliance blocks, each with its variables, or a
// dynamic one over a table. Files are parsed once and evaluated for each
// appliance ([LoadFleet]); [Load] gives the one that Options names. Spec.Digest
// covers, beside the files, which appliance it is and the values of its variables.
//
// # Bounds
//
// What files hold and what expressions cost is bounded, by counting and not by the
// clock: a hostile spec ends in a diagnostic within seconds, the same everywhere.
//
// Loading reads below the spec directory and what Options hand in, and nothing
// else: no clock, network or host state has a say, so the same bytes and values
// give the same Spec.
package spec
