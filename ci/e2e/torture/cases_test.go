package torture

// outcome is what becomes of a message.
type outcome uint8

const (
	forwarded outcome = iota // to the callee, its answer back to the caller
	refused                  // with a status of ours
	dropped                  // in silence
)

// verdict is what sbcd owes a message of RFC 4475.
type verdict struct {
	name    string // as in appendix A of the RFC
	section string
	outcome outcome
	status  int    // of the refusal
	counter string // that explains why it was refused or dropped
	// why is set where the RFC leaves a choice, or speaks to another element than a
	// proxy between two networks.
	why string
}

// verdicts are those of RFC 4475, section 3, for a proxy.
var verdicts = []verdict{
	// Parser tests: valid messages.
	{name: "wsinv", section: "3.1.1.1", outcome: refused, status: 502, counter: "refused_target",
		why: "It is well-formed, and its To tag puts it into a dialog, so it belongs to the host its Route names. Names in Route are not resolved on the path of a message, so that host is no target. With an address in place of the name it is forwarded: TestAdapted."},
	{name: "intmeth", section: "3.1.1.2"},
	{name: "esc01", section: "3.1.1.3"},
	{name: "escnull", section: "3.1.1.4"},
	{name: "esc02", section: "3.1.1.5"},
	{name: "lwsdisp", section: "3.1.1.6"},
	{name: "longreq", section: "3.1.1.7"},
	{name: "dblreq", section: "3.1.1.8"}, // and the octets behind it are discarded (RFC 3261 18.3)
	{name: "semiuri", section: "3.1.1.9"},
	{name: "transports", section: "3.1.1.10"},
	{name: "mpart01", section: "3.1.1.11",
		why: "Its Route names another proxy. A request that starts something goes where the routes of the specification say; a Route that is not ours stays in it for the next hop."},
	{name: "unreason", section: "3.1.1.12", outcome: dropped, counter: "dropped_foreign_via",
		why: "It is well-formed, but its top Via is not ours (RFC 3261 16.7 step 3, 18.1.2). As an answer to a request it is forwarded: TestAnswers."},
	{name: "noreason", section: "3.1.1.13", outcome: dropped, counter: "dropped_foreign_via",
		why: "As unreason; and a proxy keeps a 100 to itself in any case (RFC 3261 16.7 step 5)."},

	// Parser tests: invalid messages.
	{name: "badinv01", section: "3.1.2.1", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "clerr", section: "3.1.2.2", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "ncl", section: "3.1.2.3", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "scalar02", section: "3.1.2.4", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "scalarlg", section: "3.1.2.5", outcome: dropped, counter: "dropped_malformed"},
	{name: "quotbal", section: "3.1.2.6", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "ltgtruri", section: "3.1.2.7", outcome: refused, status: 400, counter: "refused_malformed",
		why: "Rejecting is always reasonable, ignoring the brackets is allowed. Two hops must never read a Request-URI differently."},
	{name: "lwsruri", section: "3.1.2.8", outcome: refused, status: 400, counter: "refused_malformed",
		why: "Rejecting is always reasonable, taking the space out is allowed. As ltgtruri."},
	{name: "lwsstart", section: "3.1.2.9", outcome: refused, status: 400, counter: "refused_malformed",
		why: "Rejecting is always reasonable; who forwards must take the spaces out. As ltgtruri."},
	{name: "trws", section: "3.1.2.10", outcome: refused, status: 400, counter: "refused_malformed",
		why: "As lwsstart."},
	{name: "escruri", section: "3.1.2.11", outcome: refused, status: 400, counter: "refused_malformed",
		why: "Rejecting is acceptable, ignoring the headers is allowed, honouring them is not. A Route smuggled past us must not reach the next hop."},
	{name: "baddate", section: "3.1.2.12",
		why: "An element that does not use the Date may forward the request; a proxy does not use it."},
	{name: "regbadct", section: "3.1.2.13",
		why: "Rejecting is reasonable, inferring the brackets is allowed. What a Contact says is the registrar's to judge; the bytes reach it as they are."},
	{name: "badaspec", section: "3.1.2.14",
		why: "Rejecting is reasonable, ignoring the spaces is allowed. To is not for routing (RFC 3261 8.1.1.2); the bytes go on as they are."},
	{name: "baddn", section: "3.1.2.15",
		why: "Rejecting is reasonable, inferring the quotes is allowed, since the meaning is clear."},
	{name: "badvers", section: "3.1.2.16", outcome: refused, status: 505, counter: "refused_malformed"},
	{name: "mismatch01", section: "3.1.2.17", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "mismatch02", section: "3.1.2.18", outcome: refused, status: 400, counter: "refused_malformed",
		why: "501 or 400. A proxy forwards methods it does not know, so only the mismatch is wrong."},
	{name: "bigcode", section: "3.1.2.19", outcome: dropped, counter: "dropped_malformed"},

	// Transaction layer.
	{name: "badbranch", section: "3.2.1",
		why: "400, or the transaction is known by the rules of RFC 2543 (RFC 3261 17.2.3), which costs nothing here."},

	// Application layer.
	{name: "insuf", section: "3.3.1", outcome: refused, status: 400, counter: "refused_malformed",
		why: "Ideally 400, and that is what it gets: a reply is known by the Via and the CSeq (RFC 3261 17.1.3), which are there. From, To and Call-ID are not made up."},
	{name: "unkscm", section: "3.3.2", outcome: refused, status: 416, counter: "refused_scheme"},
	{name: "novelsc", section: "3.3.3", outcome: refused, status: 416, counter: "refused_scheme",
		why: "416, or 404 by an element that might accept the scheme. We never do."},
	{name: "unksm2", section: "3.3.4",
		why: "The registrar refuses the To; a proxy does not read it (RFC 3261 16.3)."},
	{name: "bext01", section: "3.3.5", outcome: refused, status: 420, counter: "refused_extension"},
	{name: "invut", section: "3.3.6",
		why: "An endpoint answers 415; a proxy does not look at bodies."},
	{name: "regaut01", section: "3.3.7",
		why: "A proxy that does not authenticate forwards it; a registrar challenges."},
	{name: "multi01", section: "3.3.8", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "mcl01", section: "3.3.9", outcome: refused, status: 400, counter: "refused_malformed"},
	{name: "bcast", section: "3.3.10", outcome: dropped, counter: "dropped_foreign_via"}, // and with a Via of ours: TestAnswers
	{name: "zeromf", section: "3.3.11", outcome: refused, status: 483, counter: "refused_max_forwards"},
	{name: "cparam01", section: "3.3.12"},
	{name: "cparam02", section: "3.3.13"},
	{name: "regescrt", section: "3.3.14",
		why: "Registrars judge the escaped header; a proxy does not."},
	{name: "sdp01", section: "3.3.15",
		why: "An endpoint answers 406; a proxy does not read Accept."},

	// Backward compatibility.
	{name: "inv2543", section: "3.4.1"},
}
