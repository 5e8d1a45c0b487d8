package message

// Method is a request method. Methods are case-sensitive (RFC 3261 7.1).
type Method uint8

// The methods of the IANA registry. MethodOther is any other token; its text is
// in View.MethodText.
const (
	MethodOther Method = iota
	INVITE
	ACK
	CANCEL
	BYE
	OPTIONS
	REGISTER
	PRACK
	UPDATE
	INFO
	SUBSCRIBE
	NOTIFY
	REFER
	MESSAGE
	PUBLISH
)

var methodNames = [...]string{
	MethodOther: "", INVITE: "INVITE", ACK: "ACK", CANCEL: "CANCEL", BYE: "BYE",
	OPTIONS: "OPTIONS", REGISTER: "REGISTER", PRACK: "PRACK", UPDATE: "UPDATE",
	INFO: "INFO", SUBSCRIBE: "SUBSCRIBE", NOTIFY: "NOTIFY", REFER: "REFER",
	MESSAGE: "MESSAGE", PUBLISH: "PUBLISH",
}

// String is the method as written in a request, "" for MethodOther.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return ""
}

// ParseMethod returns the method whose name is b.
func ParseMethod(b []byte) Method {
	switch string(b) {
	case "INVITE":
		return INVITE
	case "ACK":
		return ACK
	case "CANCEL":
		return CANCEL
	case "BYE":
		return BYE
	case "OPTIONS":
		return OPTIONS
	case "REGISTER":
		return REGISTER
	case "PRACK":
		return PRACK
	case "UPDATE":
		return UPDATE
	case "INFO":
		return INFO
	case "SUBSCRIBE":
		return SUBSCRIBE
	case "NOTIFY":
		return NOTIFY
	case "REFER":
		return REFER
	case "MESSAGE":
		return MESSAGE
	case "PUBLISH":
		return PUBLISH
	}
	return MethodOther
}
