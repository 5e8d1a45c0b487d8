# Where calls go.

# The voice platform: two gateways that take turns.
dispatcher "core" {
  id        = 1
  algorithm = "round-robin"

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

  destination "fs1" {
    uri      = "sip:10.0.0.11:5060"
    listener = "core"
    max_cps  = 250
  }

  destination "fs2" {
    uri      = "sip:10.0.0.12:5060"
    listener = "core"
    max_cps  = 250
  }
}

# Takes the prefixes carriers.csv gives it. hash-callid keeps one call on one
# destination.
dispatcher "overflow" {
  id        = 2
  algorithm = "hash-callid"

  probe {}

  destination "fs3" {
    uri      = "sip:10.0.0.21:5060"
    listener = "core"
  }
}

# Prefix -> dispatcher set, baked into the image. `sync`: no port opens before the
# table is loaded. `refuse`: without it, the appliance does not start.
cache "carriers" {
  source  = "file"
  file    = "carriers.csv"
  warmup  = "sync"
  on_fail = "refuse"
}

# Routes are tried in order. The longest prefix in the table decides; a number it
# does not know goes on to the next route.
route "by-prefix" {
  from  = ["carrier-a"]
  cache = "carriers"
}

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
