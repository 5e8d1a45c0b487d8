# An edge whose carriers come over TLS and show certificates (mutual TLS), with the
# voice platform behind it over UDP.
#
# Certificates and keys are not in the spec and not in the image: it names them, and the
# machine is handed them when it boots (README, "Certificates and keys").

format_version = 1

appliance "edge-tls" {
  site = "fra1"
}

hardware {
  platform = "vm"
  memory   = "4GiB"
  ntp      = ["203.0.113.1"] # a certificate is judged by the clock

  cpu {
    cores            = 2
    threads_per_core = 1
  }

  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    speed     = "1Gbps"
    queues    = 1
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = 50
  concurrent_calls = 3000
  call_duration    = "60s"
  ring_time        = "8s"
}

# What the carriers must be shown: the appliance's certificate with those that lead to
# its authority, PEM. The name of the credential is that of the block unless it is stated.
secret "carrier-certificate" {
  from       = "credential"
  credential = "edge-tls.certificate"
}

secret "carrier-key" {
  from       = "credential"
  credential = "edge-tls.key"
}

# Whose certificates the carriers may show.
secret "carrier-authorities" {
  from       = "credential"
  credential = "edge-tls.authorities"
}

listener "carriers" {
  nic       = "wan"
  address   = "203.0.113.10"
  transport = "tls" # port 5061
  sources   = ["198.51.100.0/24"]

  tls {
    certificate = "carrier-certificate"
    key         = "carrier-key"
    client_ca   = "carrier-authorities" # without it a client need not show a certificate
    min_version = "1.2"
  }

  # A carrier keeps few connections, for long.
  connections {
    max        = 64
    per_source = 8
  }
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id        = 1
  algorithm = "round-robin"
  probe {}

  failover {
    on    = ["5xx", "6xx", "timeout"]
    never = [486, 603]
  }
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
  destination "fs2" {
    uri = "sip:10.0.0.12:5060"
  }
}

route "inbound" {
  from = ["carriers"]
  to   = ["core"]
}

# Ringing calls count too: 50 x (60 s + 8 s) = 3,400.
limits {
  cps              = 60
  burst            = 60
  concurrent_calls = 3600
  retry_after      = "5s"
}

# The state of calls in pages of 2 MiB: the processor looks fewer of them up.
state {
  hugepages = "2MiB"
}

firewall {
  enabled = true
}
