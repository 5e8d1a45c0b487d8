# Everything of listeners, dispatchers, caches, limits, state, sessions and
# messages, none at its default.
format_version = 1

appliance "edge" {}

hardware {
  platform = "vm"
  memory   = "16GiB"
  dns      = ["10.0.0.53"]
  cpu {
    cores = 8
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
  nic "core" {
    match     = { mac = "52:54:00:12:34:57" }
    addresses = ["10.0.0.10/24"]
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
  worker_wait      = "500us"
}

listener "carrier" {
  address = "203.0.113.10"
  sources = ["198.51.100.0/24", "192.0.2.0/24"]
  tos     = "cs3"
  share   = 0.6
}

# The same port as over UDP: another socket.
listener "carrier-tcp" {
  address   = "203.0.113.10"
  transport = "tcp"
  sources   = ["198.51.100.0/24", "192.0.2.0/24"]
  workers   = 2
  tos       = 184
  share     = 0.1
  connections {
    max        = 1000
    per_source = 10
    idle       = "5m"
  }
}

listener "carrier-tls" {
  address   = "203.0.113.10"
  transport = "tls"
  sources   = ["198.51.100.0/24"]
  tls {
    certificate = "edge-cert"
    key         = "edge-key"
    client_ca   = "carrier-ca"
    min_version = "1.3"
  }
}

listener "browsers" {
  address   = "203.0.113.11"
  transport = "wss"
  sources   = ["0.0.0.0/0"]
  tls {
    certificate = "edge-cert"
    key         = "edge-key"
  }
  connections {
    max       = 20000
    handshake = "5s"
  }
}

listener "browsers-plain" {
  address   = "203.0.113.11"
  transport = "ws"
  sources   = ["198.51.100.0/24"]
}

listener "core" {
  address = "10.0.0.10"
  sources = ["10.0.0.0/24"]
}

listener "core-tcp" {
  address   = "10.0.0.10"
  transport = "tcp"
  sources   = ["10.0.0.0/24"]
}

dispatcher "core" {
  id        = 1
  algorithm = "relative-weight"
  next      = "overflow"
  probe {}
  destination "fs1" {
    uri    = "sip:10.0.0.11"
    weight = 60
    attrs  = { rack = "b4", site = "fra1" }
  }
  destination "fs2" {
    uri      = "sip:10.0.0.12;transport=tcp"
    weight   = 40
    listener = "core-tcp"
    state    = "probing"
  }
  destination "fs3" {
    uri   = "sip:10.0.0.13"
    state = "disabled"
  }
}

dispatcher "overflow" {
  id        = 2
  algorithm = "call-load"
  next      = "far"
  destination "fs4" {
    uri       = "sip:10.0.0.14"
    max_calls = 2000
  }
  destination "fs5" {
    uri       = "sip:10.0.0.15"
    max_calls = 3000
  }
}

dispatcher "far" {
  id        = 3
  algorithm = "priority"
  destination "named" {
    uri      = "sip:Gateway.example.net."
    listener = "carrier"
    priority = 1
  }
  destination "named-tls" {
    uri = "sips:gateway.example.net:5071"
  }
  # DNS says what of TCP this name offers.
  destination "named-tcp" {
    uri      = "sip:trunk.example.net"
    listener = "carrier-tcp"
  }
  destination "address-tls" {
    uri      = "sip:198.51.100.20;transport=tls"
    priority = 2
  }
}

dispatcher "by-number" {
  id        = 4
  algorithm = "hash-user"
  destination "fs1" {
    uri = "sip:10.0.0.11"
  }
  destination "fs1-tcp" {
    uri = "sip:10.0.0.11;transport=tcp"
  }
}

dispatcher "fastest" {
  id        = 5
  algorithm = "latency"
  probe {}
  destination "fs1" {
    uri = "sip:10.0.0.11"
  }
}

dispatcher "all-at-once" {
  id        = 6
  algorithm = "parallel"
  destination "fs1" {
    uri = "sip:10.0.0.11"
  }
}

cache "carriers" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes where valid and note <> 'old; $1'"
  refresh  = "5m"
  rows     = 250000
  on_fail  = "last-good"
}

cache "numbers" {
  source   = "sqlite"
  database = "local"
  query    = "with live as (select * from numbers) select number::text, max(target) from live group by 1;"
  warmup   = "background"
  rows     = 1000
  on_fail  = "baked"
  file     = "numbers.csv"
}

cache "kept" {
  source  = "file"
  file    = "/var/lib/trunkline/kept.csv"
  rows    = 10
  on_fail = "last-good"
}

route "carriers" {
  from  = ["carrier", "carrier-tcp", "carrier-tls"]
  cache = "carriers"
}

route "national" {
  from     = ["carrier"]
  carriers = ["a", "b"]
  prefix   = "0"
  pattern  = "0([1-9][0-9]*)"
  rewrite  = "+49$1"
  cache    = "numbers"
}

route "short" {
  prefix = "99"
  strip  = 2
  add    = "+4930"
  to     = ["core"]
}

route "numbers" {
  cache = "numbers"
}

route "kept" {
  cache = "kept"
}

route "rest" {
  to = ["core", "by-number"]
}

limits {
  emergency {
    numbers           = ["112", "+49112"]
    resource_priority = ["esnet", "ets.0"]
    reserve           = 20
  }
  cps              = 250
  concurrent_calls = 15000
  message_size     = "32KiB"
  listener "carrier" {
    cps              = 150
    concurrent_calls = 9000
    message_size     = "8KiB"
  }
  listener "browsers" {
    message_size = "16KiB"
  }
  source "office" {
    prefixes    = ["198.51.100.7", "192.0.2.0/25"]
    per_address = true
    cps         = 5
    burst       = 10
  }
  carrier "a" {
    prefixes         = ["198.51.100.0/25"]
    concurrent_calls = 4000
  }
  carrier "b" {
    prefixes = ["198.51.100.128/25", "192.0.2.0/24"]
    cps      = 100
  }
}

transaction {
  call_lifetime = "2h"
}

state {
  memory    = "1GiB"
  hugepages = "2MiB"
  persistence {
    to       = "database"
    database = "routing"
    interval = "5s"
  }
}

session {
  min_se          = "2m"
  session_expires = "1h"
  insert          = false
}

messages {
  remove_headers = ["user-agent", "Server", "date", "x-*"]
  codecs         = ["pcma", "PCMU", "telephone-event"]
  compact        = true
  udp_limit      = 1300
  fallback       = false
  hide_topology  = true
}

database "routing" {
  engine   = "postgres"
  address  = "10.0.0.21"
  password = "routing-password"
}

database "local" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/numbers.db"
}

secret "routing-password" {
  from = "credential"
}

secret "edge-cert" {
  from = "credential"
}

secret "edge-key" {
  from = "credential"
}

secret "carrier-ca" {
  from = "credential"
}
