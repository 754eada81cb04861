module ampubsub-machine-tests

go 1.24.1

require github.com/pancsta/asyncmachine-go v0.18.0
