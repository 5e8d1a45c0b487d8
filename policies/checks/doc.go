// Package checks judges a plan by guard rails written in HCL: packs of rules,
// each an expression over the plan and the spec behind it that must hold.
//
// A pack is a directory of *.hcl:
//
//	rule "invite-timeout" {
//	  severity  = "warning"               # error: build refuses; warning; note
//	  source    = "where it comes from"
//	  for_each  = spec.dispatchers        # optional: judged once for each, as each
//	  name      = each.name               # optional: what a waiver's scope names
//	  when      = each.probe != null      # optional: judged only when true
//	  condition = each.probe.interval <= 30
//	  at        = each.probe.at.interval  # optional: the line the finding is about
//	  summary   = "Seen in a few words"
//	  message   = "What is wrong, with ${figures}."
//	  remedy    = "The one change that satisfies the rule."
//	}
//
// Expressions see spec (see document), plan (what the plan's JSON says) and each. Sizes are
// bytes, durations seconds, rates per second; 0 stands for "not stated"; a block
// that is absent is null. Every block has at: the place of each attribute as
// "file.hcl:12".
//
// Evaluation is pure and bounded: no file, no clock, no network, no function whose
// result is larger than what it was given, loops at most two deep inside an
// expression. A rule that cannot be evaluated is a finding of severity error, never
// a rule passed over.
//
// Waivers of the spec turn findings into waived ones (see Waive). Fixtures, small
// specs that satisfy or break one rule, test a pack (see Test).
package checks
