// Package schema publishes the JSON Schema (draft 2020-12) of the documents that
// tell of plans: one plan, as `trunkline plan -json` and plan.json of a build have
// it, and the plans of a fleet.
//
// What is promised: whatever this version of Trunkline prints as a plan satisfies
// the schema, be the plan good, with errors, or of a spec that is not valid. The
// schema is closed: a field it does not name is an error, as it is to plan.Decode.
// Its identifier carries the format version, which grows when a field goes or
// changes its meaning or type; fields may be added within a version, so programs
// that check plans should take the schema of the Trunkline that made them.
//
// plan.schema.json is generated from the Go types of plan, budget and appliance, and
// the descriptions in it are their comments. A test fails when it is stale;
//
//	go generate ./appliance/plan/schema
//
// renews it: after every change to those types, their comments included.
package schema

//go:generate go run ./generate -o plan.schema.json
