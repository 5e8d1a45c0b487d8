# The platform of "Scaling Kamailio to 1,000 CPS and 60,000 concurrent calls" before
# its thirteen fixes, as far as a spec can say it. The comment at a line is the rule,
# or the finding of the sizing model, that must speak of it.
format_version = 1

appliance "before" {}

hardware {
  platform = "vm"
  memory   = "16GiB"
  cpu {
    cores            = 8
    threads_per_core = 2
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    speed     = "10Gbps"
    queues    = 4
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

workload { # 9: limits-missing
  cps              = 1000
  concurrent_calls = 60000 # 0: session-timers
  call_duration    = "55s"
  ring_time        = "5s"
}

listener "carriers" { # 13: listener-spread
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
  workers = 64 # 3: workers.above-threads
  share   = 0.9
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
  share   = 0.1
}

listener "old" { # 8: unused-listener
  nic     = "wan"
  address = "203.0.113.11"
  port    = 5070
  sources = ["192.0.2.0/24"]
  share   = 0.0001
}

dispatcher "core" { # 6: ceiling.dispatcher.core
  id = 1
  probe {
    interval          = "60s" # 2: probe-interval
    fail_threshold    = 1     # 2: probe-fail-threshold
    recover_threshold = 1     # 2: probe-recover-threshold
  }
  destination "uas1" {
    uri       = "sip:10.0.0.11:5060"
    listener  = "core"
    max_cps   = 30
    max_calls = 1000
  }
  destination "uas2" {
    uri       = "sip:10.0.0.12:5060"
    listener  = "core"
    max_cps   = 30
    max_calls = 1000
  }
}

cache "carriers" {
  source = "file"
  file   = "carriers.csv"
  warmup = "background" # 12: cache-warmup
}

route "by-prefix" {
  from  = ["carriers"]
  cache = "carriers"
}

# What was a LIKE over a table for every call.
locals {
  prefixes = range(430000, 430060)
}

dynamic "route" { # 11: prefix-routes
  for_each = toset([for p in local.prefixes : tostring(p)])
  labels   = ["to-${route.value}"]
  content {
    from   = ["carriers", "core"]
    prefix = "+${route.value}"
    to     = ["core"]
  }
}

route "default" {
  from = ["carriers", "core"]
  to   = ["core"]
}

transaction {
  invite_timeout = "120s" # 4: invite-timeout
  call_lifetime  = "1h"   # 1: call-lifetime
}

state {
  memory = "64MiB" # 1: state.memory
  persistence {
    to       = "database"
    database = "calls"
    mode     = "at-once" # 10: persistence-at-once
  }
}

# One handle for each of 64 workers.
database "calls" {
  engine          = "postgres"
  address         = "10.0.0.21:5432"
  pool            = 64  # 7: database-pool
  max_connections = 100 # 7: database.connections
  appliances      = 2
}

media {           # 5: media-orphans
  instance "m1" { # 5: media-single-instance, 5: ceiling.media
    control      = ["10.0.0.31:2223"]
    max_sessions = 20000
  }
}
