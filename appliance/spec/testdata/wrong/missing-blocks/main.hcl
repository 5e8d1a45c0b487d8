format_version = 1

appliance "edge" {}
