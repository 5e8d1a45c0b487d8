# The same platform after the fixes: it carries 1,000 calls/s and 60,000 calls.
format_version = 1

appliance "after" {}

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
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "203.0.113.12/27"]
    gateway   = "203.0.113.1"
  }
}

session {
  min_se          = "90s"
  session_expires = "30m"
}

state {
  persistence {
    to       = "database"
    database = "calls"
    mode     = "delayed"
  }
}

database "calls" {
  engine          = "postgres"
  address         = "10.0.0.21:5432"
  pool            = 2
  max_connections = 100
  appliances      = 2
}

# Four relays of 20,000 sessions, each with control sockets enough for its part.
media {
  dynamic "instance" {
    for_each = toset(["31", "32", "33", "34"])
    labels   = ["m${instance.value}"]
    content {
      control      = [for port in [2223, 2224, 2225, 2226] : "10.0.0.${instance.value}:${port}"]
      max_sessions = 20000
    }
  }
}

workload {
  cps              = 1000
  concurrent_calls = 60000
  call_duration    = "55s"
  ring_time        = "5s"
}

listener "carrier-a" {
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/25"]
  share   = 0.45
}

listener "carrier-b" {
  nic     = "wan"
  address = "203.0.113.12"
  sources = ["198.51.100.128/25"]
  share   = 0.45
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  probe {
    interval          = "30s"
    fail_threshold    = 5
    recover_threshold = 5
  }
  destination "uas1" {
    uri       = "sip:10.0.0.11:5060"
    listener  = "core"
    max_cps   = 600
    max_calls = 35000
  }
  destination "uas2" {
    uri       = "sip:10.0.0.12:5060"
    listener  = "core"
    max_cps   = 600
    max_calls = 35000
  }
  destination "uas3" {
    uri       = "sip:10.0.0.13:5060"
    listener  = "core"
    max_cps   = 600
    max_calls = 35000
  }
}

cache "carriers" {
  source = "file"
  file   = "carriers.csv"
  warmup = "sync"
}

route "by-prefix" {
  from  = ["carrier-a", "carrier-b"]
  cache = "carriers"
}

route "default" {
  to = ["core"]
}

limits {
  cps              = 1200
  concurrent_calls = 66000
}

transaction {
  invite_timeout = "30s"
  call_lifetime  = "4h"
}
