// Package calibrate calibrates the machine it runs on, with the real programs, and plans with what came out.
package calibrate
