// Package plan holds a plan: everything one spec makes of one appliance, before
// a byte of an image is written. It carries the sized appliance.json, the budget
// behind it, the firewall ruleset as text and the digests of the files that the
// config layer will consist of.
//
// Make is a pure function. A plan's JSON is stable: the same plan gives the same
// bytes. A plan with Errored set must not be built; one without Complete has not
// been given its file list yet (package bake does that).
//
// # JSON
//
// `trunkline plan -json` prints one document, as does every build in plan.json:
//
//   - format_version is 1. It grows when a field goes, changes its meaning or its
//     type; fields may be added without. testdata/fields.txt lists all of them.
//   - errored and complete are there whatever happened. With errored nothing may be
//     built; the exit status is then 1.
//   - verdict is one line for people: what saturates first, or why there is no plan.
//   - diagnostics, where present, are the mistakes of a spec that is not valid, each
//     as in `trunkline validate -json`. Then appliance and budget are null.
//   - warnings, where present, are what the checks of a valid spec warned of.
//   - budget.findings are what to know of a valid spec; severity is error, warning
//     or note, id is stable, at is file:line below the spec directory.
//   - Figures carry id, value, unit, formula and inputs; ids are stable. Units: B,
//     s, calls/s, packets/s, 1 for a plain number.
//   - Lists are never null; an empty one may be left out. Durations are text, as
//     in "1m30s".
package plan
