format_version = 1

appliance "edge-var" {
  site = var.site
  variables = {
    site  = "from the appliance"
    cps   = 150
    ports = [5060, 5080]
  }
}

variable "site" {
  type        = string
  description = "Given five times: the last -var counts"
}

variable "cps" {
  type = number

  validation {
    condition     = var.cps > 0 && var.cps <= 1000
    error_message = "One appliance carries 1 to 1000 CPS."
  }
}

variable "ports" {
  type    = list(number)
  default = []
}

variable "carriers" {
  type = map(object({
    source = string
    share  = optional(number, 0.25)
  }))
}

variable "memory" {
  default = "4GiB"
}

variable "queues" {
  type    = number
  default = null
}

variable "probe" {
  type    = bool
  default = true
}

locals {
  seconds = var.cps * 60
  hosts   = [for i, name in keys(var.carriers) : { name = name, host = 10 + i }]
  by_name = { for h in local.hosts : h.name => cidrhost("203.0.113.0/27", h.host) }
  text = join(" ", [
    format("%s-%03d", appliance.name, 7), replace("a.b.c", ".", "-"), tostring(range(3)[2]),
    jsonencode({ a = [1, true] }), jsondecode("{\"k\": \"v\"}").k, cidrnetmask("10.0.0.0/9"),
    cidrcontains("10.0.0.0/8", "10.1.2.3") ? "in" : "out", regex("[0-9]+", "x42y"),
    startswith("abc", "ab") ? "starts" : "", endswith("abc", "bc") ? "ends" : "",
  ])
}

hardware {
  platform = "vm"
  memory   = var.memory
  cpu {
    cores = 4
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    queues    = var.queues
    addresses = [for a in concat(values(local.by_name), ["203.0.113.20"]) : "${a}/27"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = var.cps
  concurrent_calls = local.seconds
  call_duration    = "60s"
}

dynamic "listener" {
  for_each = var.carriers
  labels   = ["from-${listener.key}"]
  content {
    address = local.by_name[listener.key]
    port    = var.ports[length(var.ports) - 1]
    sources = [listener.value.source]
    share   = listener.value.share
  }
}

listener "core" {
  address = "203.0.113.20"
  sources = ["10.0.0.0/24"]
}

dynamic "dispatcher" {
  for_each = ["core", "far"]
  iterator = set
  labels   = [set.value]
  content {
    id = set.key + 1

    dynamic "probe" {
      for_each = var.probe && set.value == "core" ? [10] : []
      content {
        interval = "${probe.value}s"
        from     = "sip:${replace(local.text, " ", "_") == "" ? "x" : "probe"}@203.0.113.20"
      }
    }

    dynamic "destination" {
      for_each = toset(["10.0.0.1${set.key}", "10.0.0.2${set.key}"])
      iterator = server
      labels   = ["s-${replace(server.key, ".", "-")}"]
      content {
        uri = "sip:${server.value}:5060"
      }
    }
  }
}

route "all" {
  to = ["core", "far"]
}
