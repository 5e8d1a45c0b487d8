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

dispatcher "overflow" {
  id = 2
  destination "fs3" {
    uri = "sip:10.0.0.21:5060"
  }
}

route "no-expression" {
  pattern = "00(["
  to      = ["core"]
}

route "many-groups" {
  pattern = "(1)(2)(3)(4)(5)(6)(7)(8)(9)(0)"
  to      = ["core"]
}

route "endless" {
  pattern = "[0-9]{1,400}"
  to      = ["core"]
}

route "no-pattern" {
  rewrite = "+$1"
  to      = ["core"]
}

route "two-rules" {
  pattern = "00([1-9][0-9]*)"
  rewrite = "+$1"
  strip   = 2
  to      = ["core"]
}

route "no-group" {
  pattern = "00([1-9][0-9]*)"
  rewrite = "+$2"
  to      = ["core"]
}

route "lone-dollar" {
  pattern = "00([1-9][0-9]*)"
  rewrite = "+$x"
  to      = ["core"]
}

route "odd-characters" {
  pattern = "00([1-9][0-9]*)"
  rewrite = "<$1>"
  to      = ["core"]
}

route "odd-addition" {
  add = "+49 "
  to  = ["core"]
}

route "service" {
  prefix = "urn:service:sos"
  strip  = 4
  to     = ["core"]
}

route "strangers" {
  carriers = ["nobody"]
  to       = ["core"]
}

route "international" {
  prefix = "00"
  strip  = 2
  add    = "+"
  to     = ["core"]
}

route "never" {
  prefix = "0049"
  to     = ["core"]
}
