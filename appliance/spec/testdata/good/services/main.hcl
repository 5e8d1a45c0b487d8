# Everything beside the path of a message: no attribute at its default.
format_version = 1

appliance "edge-vie1" {}

hardware {
  platform = "vm"
  memory   = "32GiB"
  dns      = ["10.0.9.53"]
  cpu {
    cores = 8
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "2001:db8::11/64"]
    gateways  = ["203.0.113.1", "2001:db8::1"]
  }
  nic "oob" {
    match      = { mac = "52:54:00:12:34:57" }
    addresses  = ["10.0.9.10/24", "2001:db8:9::10/64"]
    management = true
  }
}

workload {
  cps              = 500
  concurrent_calls = 15000
  call_duration    = "30s"
}

listener "carrier" {
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:203.0.113.20:5060"
  }
}

media {
  timeout = "250ms"
  on_fail = "reject"
  ptime   = "30ms"
  bitrate = "13.2kbps"
  instance "far" {
    control      = ["10.0.9.31:2223", "[2001:db8:9::31]:2224"]
    max_sessions = 20000
    max_cps      = 300
    weight       = 4
  }
  instance "here" {
    control      = ["127.0.0.1:2230", "[::1]:2231"]
    addresses    = ["203.0.113.11", "2001:db8::11"]
    ports        = "20000-29999"
    max_sessions = 2500
  }
  instance "plain" {
    addresses = ["203.0.113.10"]
    ports     = var.none
  }
}

database "routing" {
  engine          = "postgres"
  address         = "sql.example.net"
  database        = "lcr"
  user            = "sbc"
  password        = "routing-password"
  tls             = "verify"
  ca              = "database-ca"
  pool            = 3
  max_connections = 200
  appliances      = 12
}

database "calls" {
  engine   = "postgres"
  address  = "2001:db8:9::21"
  password = var.none
  file     = var.none
}

database "panel" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/panel.db"
  pool   = 1
}

sockets {
  database = "panel"
  table    = "provisioning.sockets_def"
  columns = {
    advertised = "adv"
    socket     = "definition"
  }
  nics        = ["wan"]
  sources     = ["198.51.100.0/24", "192.0.2.7"]
  workers     = 4
  max_sockets = 250
}

control {
  address     = "[2001:db8:9::10]:9443"
  sources     = ["2001:db8:9::/64"]
  certificate = "edge-cert"
  key         = "edge-key"
  client_ca   = "operators-ca"
  console     = false
  log_level   = "warn"
  metrics {
    address = "10.0.9.10"
    sources = ["10.0.9.0/24"]
  }
  hep {
    address    = "10.0.9.60:9063"
    capture_id = 2001
  }
  cdr {
    to       = "database"
    database = "calls"
  }
}

update {
  url      = "https://updates.example.net:8443/edge/"
  signer   = "update-signer.pem"
  ca       = "update-ca.pem"
  interval = "6h"
  reboot   = "window"
  window   = "23:30-01:15"
  tries    = 5
}

cache "lcr" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes"
  rows     = 100000
}

route "table" {
  cache = "lcr"
}

secret "edge-cert" {
  from       = "credential"
  credential = "edge-vie1.cert"
}

secret "edge-key" {
  from = "credential"
}

secret "operators-ca" {
  from = "credential"
}

secret "routing-password" {
  from = "credential"
}

variable "none" {
  default = null
}

secret "database-ca" {
  from = "credential"
}
