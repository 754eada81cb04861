// The module's root. Each version of asyncmachine-go is built with a mod file of its own, such as
// `go build -modfile=v0.13.0.mod -tags am13`; this file only names the module.
module ampubsub.test/gopeer

go 1.24.1
