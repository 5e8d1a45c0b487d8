# One listener towards the callers, one towards the callees. The tests put in the
# addresses and transports, and in some groups other words for those here.
format_version = 1

appliance "scenarios" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores            = 2
    threads_per_core = 1
  }
  nic "wan" {
    match     = { mac = "52:54:00:00:00:01" }
    speed     = "10Gbps"
    addresses = ["203.0.113.10/27"]
  }
}

workload {
  cps              = 1000
  concurrent_calls = 2000
  call_duration    = "2s"
  ring_time        = "1s"
}

listener "carrier" {
  address   = "@PROXY_A@"
  port      = 5060
  transport = "@TRANSPORT_A@"
  sources   = [@SOURCES_A@]
  workers   = 1
@TLS_A@
}

listener "core" {
  address   = "@PROXY_B@"
  port      = @PORT_B@
  transport = "@TRANSPORT_B@"
  sources   = [@SOURCES_B@]
  workers   = 1
@TLS_B@
}

dispatcher "core" {
  id        = 1
  algorithm = "first"
  failover {
    on    = ["5xx", "6xx", "timeout"]
    never = [486, 603]
  }
  destination "b" {
    uri      = "sip:@B@"
    listener = "core"
  }
  destination "c" {
    uri      = "sip:@C@"
    listener = "core"
  }
}

route "all" {
  from = ["carrier"]
  to   = ["core"]
}

transaction {
  reply_timeout  = "20s"
  invite_timeout = "40s"
  wait           = "500ms"
}
