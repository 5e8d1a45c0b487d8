# A whole platform in one spec: 1,000 calls/s, 60,000 calls held, media through relays,
# session timers, databases beside the path. Parts of it have no run-time part in this
# version yet: `trunkline plan` sizes and shows everything, and says which parts those
# are; `trunkline build` refuses them by name.
format_version = 1

appliance "platform-1000" {
  site = "fra1"
}

hardware {
  platform = "baremetal"
  memory   = "16GiB"
  dns      = ["10.0.9.53", "10.0.9.54"]
  ntp      = ["10.0.9.123"]
  cpu {
    cores            = 8
    threads_per_core = 2
  }

  # Two cards as one towards the carriers; the switch must speak LACP.
  nic "wan0" {
    match  = { mac = "52:54:00:12:34:50" }
    driver = "ice"
    speed  = "10Gbps"
    queues = 4
  }
  nic "wan1" {
    match  = { mac = "52:54:00:12:34:51" }
    driver = "ice"
    speed  = "10Gbps"
    queues = 4
  }
  bond "wan" {
    members   = ["wan0", "wan1"]
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "203.0.113.12/27"]
    gateway   = "203.0.113.1"
  }

  # The platform's own side, and who operates it, by VLANs of one card.
  nic "lan" {
    match  = { mac = "52:54:00:12:34:52" }
    driver = "ice"
    speed  = "10Gbps"
    queues = 4
  }
  vlan "core" {
    parent    = "lan"
    id        = 100
    addresses = ["10.0.0.10/24"]
  }
  vlan "mgmt" {
    parent     = "lan"
    id         = 900
    addresses  = ["10.0.9.10/24"]
    management = true
  }
}

workload {
  cps              = 1000
  concurrent_calls = 60000
  call_duration    = "55s"
  ring_time        = "5s"
}

# Each large carrier has an address of its own: a trunk is one flow.
listener "carrier-a" {
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/25"]
  share   = 0.4
}
listener "carrier-b" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["198.51.100.128/25"]
  share   = 0.4
}
listener "carrier-c" {
  nic       = "wan"
  address   = "203.0.113.12"
  transport = "tls"
  sources   = ["192.0.2.0/28"]
  share     = 0.1
  tls {
    certificate = "edge-cert"
    key         = "edge-key"
    client_ca   = "carrier-c-ca"
  }
  connections {
    max        = 64
    per_source = 16
  }
}
listener "core" {
  nic     = "core"
  address = "10.0.0.10"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id        = 1
  algorithm = "call-load"
  next      = "overflow"
  probe {}
  dynamic "destination" {
    for_each = toset(["11", "12", "13", "14"])
    labels   = ["fs${destination.value}"]
    content {
      uri       = "sip:10.0.0.${destination.value}:5060"
      max_cps   = 450
      max_calls = 25000
    }
  }
}
dispatcher "overflow" {
  id        = 2
  algorithm = "round-robin"
  probe {}
  dynamic "destination" {
    for_each = toset(["21", "22", "23", "24"])
    labels   = ["fs${destination.value}"]
    content {
      uri       = "sip:10.0.0.${destination.value}:5060"
      max_cps   = 450
      max_calls = 25000
    }
  }
}

cache "prefixes" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, dispatcher from routes"
  rows     = 250000
  warmup   = "sync"
  on_fail  = "last-good"
}
route "by-prefix" {
  cache = "prefixes"
}
route "default" {
  to = ["core"]
}

# Four relays of 20,000 sessions: any one of them may be down. Several control sockets
# each, for one takes some hundred commands a second.
media {
  dynamic "instance" {
    for_each = toset(["31", "32", "33", "34"])
    labels   = ["rtp${instance.value}"]
    content {
      control      = [for port in [2223, 2224, 2225, 2226] : "10.0.0.${instance.value}:${port}"]
      max_sessions = 20000
    }
  }
}

session {
  min_se          = "90s"
  session_expires = "30m"
}

# Whoever still talks after that long is sent BYE.
transaction {
  call_lifetime = "4h"
}

state {
  persistence {
    to       = "database"
    database = "calls"
    mode     = "delayed"
  }
}

database "routing" {
  engine          = "postgres"
  address         = "10.0.0.51"
  password        = "routing-password"
  max_connections = 100
}
database "calls" {
  engine          = "postgres"
  address         = "10.0.0.52"
  password        = "calls-password"
  max_connections = 100
}

messages {
  remove_headers = ["User-Agent", "Server", "X-*"]
}

limits {
  cps              = 1200
  concurrent_calls = 66000
  carrier "a" {
    prefixes         = ["198.51.100.0/25"]
    cps              = 500
    concurrent_calls = 30000
  }
  carrier "b" {
    prefixes         = ["198.51.100.128/25"]
    cps              = 500
    concurrent_calls = 30000
  }
}

control {
  address     = "10.0.9.10:8443"
  sources     = ["10.0.9.0/24"]
  certificate = "edge-cert"
  key         = "edge-key"
  client_ca   = "operators-ca"
  metrics {
    address = "10.0.9.10:9090"
    sources = ["10.0.9.0/24"]
  }
}

# References alone: the values reach the appliance as systemd credentials.
secret "edge-cert" {
  from = "credential"
}
secret "edge-key" {
  from = "credential"
}
secret "carrier-c-ca" {
  from = "credential"
}
secret "operators-ca" {
  from = "credential"
}
secret "routing-password" {
  from = "credential"
}
secret "calls-password" {
  from = "credential"
}
