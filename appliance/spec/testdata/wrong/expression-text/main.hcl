format_version = 1

appliance "edge" {}

locals {
  a = "0123456789012345678901234567890123456789012345678901234567890123"
  b = "${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}${local.a}"
  c = "${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}${local.b}"
  d = "${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}${local.c}"
  e = "${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}${local.d}"
  f = "${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}${local.e}"
  g = "${local.f}${local.f}${local.f}${local.f}${local.f}${local.f}${local.f}${local.f}"
  h = "${local.g}${local.g}${local.g}${local.g}${local.g}${local.g}${local.g}${local.g}"
  i = "${local.h}${local.h}${local.h}${local.h}${local.h}${local.h}${local.h}${local.h}"
  j = "${local.i}${local.i}${local.i}${local.i}${local.i}${local.i}${local.i}${local.i}"
  k = "${local.j}${local.j}${local.j}${local.j}${local.j}${local.j}${local.j}${local.j}"
  l = "${local.k}${local.k}${local.k}${local.k}${local.k}${local.k}${local.k}${local.k}"
  m = "${local.l}${local.l}${local.l}${local.l}${local.l}${local.l}${local.l}${local.l}"
}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 2
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
}

listener "carrier" {
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}
