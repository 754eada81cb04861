"""Against the real thing: peers of asyncmachine-go and of ampubsub, in processes of their own."""
