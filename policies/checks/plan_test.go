package checks

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"testing/fstest"

	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// sample has what plans are made of, and what JSON treats in its own way.
type sample struct {
	Text     string  `json:"text"`
	Number   int     `json:"number"`
	Large    uint64  `json:"large"`
	Part     float64 `json:"part,omitempty"`
	Gone     float64 `json:"gone,omitempty"`
	Hidden   string  `json:"-"`
	Untagged bool
	Pointer  *sample           `json:"pointer"`
	Left     *sample           `json:"left,omitempty"`
	List     []sample          `json:"list"`
	None     []string          `json:"none"`
	Empty    []string          `json:"empty"`
	Pair     [2]int            `json:"pair"`
	Names    map[string]string `json:"names"`
	Address  netip.AddrPort    `json:"address"`
	Any      any               `json:"any"`
	private  int
}

// Rules see what the plan's JSON says.
func TestPlanValueIsItsJSON(t *testing.T) {
	v := sample{
		Text: "<a>", Number: -3, Large: 1 << 40, Part: 1.5, Hidden: "x", private: 1, Empty: []string{},
		Pointer: &sample{Text: "inner"}, List: []sample{{Number: 1}, {Untagged: true}},
		Names: map[string]string{"k": "v"}, Address: netip.MustParseAddrPort("192.0.2.1:5060"), Any: []int{1},
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(b, &decoded); err != nil {
		t.Fatal(err)
	}
	r := reader{types: map[reflect.Type][]member{}, derivation: true}
	got, err := r.value(reflect.ValueOf(v))
	if err != nil {
		t.Fatal(err)
	}
	if want := fromJSON(decoded); !got.RawEquals(want) {
		t.Errorf("%#v\nwant %#v", got, want)
	}
}

func TestPlanIsCutToWhatRulesName(t *testing.T) {
	type figure struct {
		Value   float64  `json:"value"`
		Formula string   `json:"formula"`
		Inputs  []string `json:"inputs"`
	}
	type inner struct {
		Ceilings []figure `json:"ceilings"`
		Workers  figure   `json:"workers"`
	}
	plan := &struct {
		Verdict string   `json:"verdict"`
		Budget  *inner   `json:"budget"`
		Files   []string `json:"files"`
	}{"all well", &inner{Ceilings: []figure{{Value: 1, Inputs: []string{"a"}}}, Workers: figure{Value: 2}}, []string{"x"}}
	for condition, want := range map[string]string{
		`plan.verdict == ""`:                                          `{"verdict":"all well"}`,
		`plan.budget.workers.value > 1`:                               `{"budget":{"workers":{"value":2}}}`,
		`length(plan.budget.ceilings) > 1`:                            `{"budget":{"ceilings":[{"value":1}]}}`,
		`plan.budget.ceilings[0].inputs == null`:                      `{"budget":{"ceilings":[{"formula":"","inputs":["a"],"value":1}]}}`,
		`[for c in plan.budget.ceilings : c["formula"]] == null`:      `{"budget":{"ceilings":[{"formula":"","inputs":["a"],"value":1}]}}`,
		`plan.budget == null && plan.budget.workers == null`:          `{"budget":{"ceilings":[{"value":1}],"workers":{"value":2}}}`,
		`plan.budget.workers == null && plan.budget.ceilings == null`: `{"budget":{"ceilings":[{"value":1}],"workers":{"value":2}}}`,
		`plan == null`:          `{"budget":{"ceilings":[{"value":1}],"workers":{"value":2}},"files":["x"],"verdict":"all well"}`,
		`plan.wrong.name == ""`: `{}`,
		`spec == null`:          `{}`,
	} {
		t.Run(condition, func(t *testing.T) {
			p, diags, _ := Load(fstest.MapFS{"rules.hcl": {Data: []byte("rule \"a\" {\n severity = \"note\"\n source = \"here\"\n summary = \"s\"\n message = \"m\"\n remedy = \"r\"\n condition = " + condition + "\n}\n")}}, "mine")
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			v, err := planValue([]*Pack{p}, func() (any, error) { return plan, nil })
			if err != nil {
				t.Fatal(err)
			}
			got, err := ctyjson.Marshal(v, v.Type())
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}
