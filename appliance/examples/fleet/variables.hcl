# What the appliances differ in. A value comes from -var or -var-file, else from
# the appliance's own variables in fleet.hcl, else from the environment
# (TRUNKLINE_VAR_size), else from the default here.

variable "network" {
  type        = string
  description = "The site's network: the router is its first host"

  validation {
    condition     = endswith(var.network, "/27")
    error_message = "The network of a site is a /27: its addresses are counted from the front."
  }
}

variable "mac" {
  type        = string
  description = "Address of the card that becomes wan"
}

variable "size" {
  type        = string
  default     = "medium"
  description = "How much the site carries: small, medium or large"

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "There is no such size. Write small, medium or large."
  }
}

variable "carriers" {
  type = map(object({
    source = string
    host   = number
    port   = optional(number, 5060)
  }))
  description = "Who calls in: from where, and which host of the network they call"
  default = {
    alpha = { source = "198.51.100.0/25", host = 10 }
    beta  = { source = "198.51.100.128/25", host = 11, port = 5080 }
  }
}
