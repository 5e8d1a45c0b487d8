// Package ci holds the tests of the repository as a whole: the layering of its
// packages and their documentation. The scripts beside it (run, setup, lint,
// pipeline) are what `make test` and users' pipelines call.
package ci
