# Where calls go.

# A set of gateways that take calls for each other.
dispatcher "core" {
  id        = 1
  algorithm = "round-robin" # or "hash-callid": a call stays on one gateway

  # OPTIONS every 30 s. Five lost in a row take a gateway out, five answered bring
  # it back: one lost packet changes nothing.
  probe {
    interval          = "30s"
    timeout           = "4s"
    fail_threshold    = 5
    recover_threshold = 5
    accept            = ["2xx", "404"]
  }

  # Busy (486) and decline (603) are answers of the person called. They are never
  # tried again elsewhere.
  failover {
    on    = ["5xx", "6xx", "timeout"]
    never = [486, 603]
  }

  # max_cps is what the gateway is known to take: the plan checks that the set
  # carries the workload with any one gateway down.
  destination "gw1" {
    uri      = "sip:10.0.0.11:5060"
    listener = "core"
    max_cps  = 250
  }

  destination "gw2" {
    uri      = "sip:10.0.0.12:5060"
    listener = "core"
    max_cps  = 250
  }
}

# Routes are tried in order, the first that matches decides. This one takes all
# calls; put those with from = ["LISTENER"] or prefix = "+49" before it.
route "default" {
  to = ["core"]
}

transaction {
  invite_timeout = "30s" # an INVITE nobody answers gives its memory back after this
  reply_timeout  = "5s"  # a gateway that says nothing at all: try the next
}

# Memory for calls in progress: computed from the workload. Past 90 % of it new
# calls get 503, those in progress are safe.
state {
  memory     = "auto"
  high_water = 0.9
}
