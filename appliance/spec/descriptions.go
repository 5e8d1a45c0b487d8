package spec

import "maps"

// description is what the schema does not need for reading a spec, and people
// do. Tests hold bounds, defaults and choices to what the decoder does.
type description struct {
	text    string
	kind    Kind
	def     string
	without string
	low     string
	high    string
	choices []string
	later   []string // of the choices, those not built yet
	rule    string
}

// descriptions are by path: the types of the blocks, then the attribute. What
// is in the schema and not here fails a test.
var descriptions = merged(coreTexts, hardwareTexts, interfaceTexts(), trafficTexts, servicesTexts)

func merged(all ...map[string]description) map[string]description {
	out := map[string]description{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

var coreTexts = map[string]description{
	"format_version": {text: "Version of the language the spec is written in, in one file of the spec.", kind: KindWhole, low: "1", high: "1"},

	"appliance":           {text: "The machine this spec is for. Its name becomes the host name and the name of the outputs: 1 to 63 lower-case letters, digits and hyphens. Several of these blocks make a fleet: the directory is evaluated for each."},
	"appliance.variables": {text: "Values of variables for this appliance: what makes it different from the others of a fleet.", kind: KindObject, without: "no values of its own", rule: "each names a variable block"},
	"appliance.site":      {text: "Where the machine stands. For people and for metrics.", kind: KindText, without: "no site"},

	"waiver":         {text: "Accepts one finding of the plan for a while. Its name is the id of the finding. The plan goes on showing it, with the reason; after the last day it counts again."},
	"waiver.reason":  {text: "Why the finding is accepted, and by whom.", kind: KindText},
	"waiver.expires": {text: "Last day on which it is, as year-month-day.", kind: KindText},
	"waiver.scope":   {text: "The item the finding is about, such as a listener.", kind: KindText, without: "all of them"},

	"variable":                          {text: "A value given from outside, var.NAME in expressions: by -var NAME=VALUE or -var-file FILE (of several the last), the variables of the appliance, TRUNKLINE_VAR_NAME in the environment, or its default; the first of these that is there counts."},
	"variable.type":                     {text: "What values it takes: string, number, bool, any, list(TYPE), set(TYPE), map(TYPE), tuple([TYPE, ...]), object({NAME = TYPE, ...}), optional(TYPE, DEFAULT) within an object.", kind: KindExpression, def: "any"},
	"variable.default":                  {text: "Its value where none is given.", kind: KindAny, without: "a value must be given", rule: "of the type"},
	"variable.description":              {text: "What it is for.", kind: KindText, without: "none"},
	"variable.validation":               {text: "A rule its value must keep."},
	"variable.validation.condition":     {text: "True for a good value.", kind: KindExpression, rule: "looks at the variable itself"},
	"variable.validation.error_message": {text: "What is said of any other: what is wrong, and what to write instead.", kind: KindText},

	"locals": {text: "Values by name, local.NAME in expressions. They may refer to variables and to each other, in any order but not in a circle."},

	"dynamic":          {text: "Blocks made from a list or map: as many of the type its name says as for_each has elements. For any block but variable, locals and waiver."},
	"dynamic.for_each": {text: "A list, set or map. Each block sees its element as NAME.key and NAME.value; NAME is the type of the block, or what iterator says.", kind: KindExpression},
	"dynamic.iterator": {text: "Another name for the element.", kind: KindExpression, without: "the type of the block", rule: "a name, without quotes"},
	"dynamic.labels":   {text: "Names of the blocks: a list of one text.", kind: KindTexts, without: "none", rule: "needed for blocks that have a name"},
	"dynamic.content":  {text: "What is in each block."},
}
