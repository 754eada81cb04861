"""The program without a screen: `ls`, `watch`, `tail`, `record`. For people at a prompt, and for scripts.

Each command reads a topic, by joining it silently, or a recording, and prints a table for people or, with `--json`, one object
a line (`docs/json.md`). None of them publishes anything on the topic.
"""
