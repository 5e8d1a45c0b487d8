format_version = 1

appliance "edge" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 2
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "2001:db8::10/64"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
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

database "panel" {
  engine   = "postgres"
  address  = "203.0.113.21"
  password = "correct horse battery staple"
}

database "routing" {
  engine   = "postgres"
  address  = "203.0.113.22"
  password = var.password
}

database "calls" {
  engine   = "postgres"
  address  = "203.0.113.23"
  password = "routing-pasword"
}

database "other" {
  engine  = "postgres"
  address = "postgres://sbc:hunter2@203.0.113.24/other"
}

control {
  address     = "203.0.113.11"
  sources     = ["203.0.113.0/27"]
  certificate = "-----BEGIN CERTIFICATE-----"
  key         = "tls/edge.key"
  client_ca   = "operators"
}

sockets {
  database = "panel"
  sources  = ["203.0.113.0/27"]
}

variable "password" {
  default = "s3cret, from the environment"
}

secret "routing-password" {
  from = "credential"
}
