"""asyncmachine's debugger telemetry ("dbg"): what programs tell am-dbg, both ways.

`sender` shows machines of this program in am-dbg or in our own screen, `receiver` hears programs of any language,
`dumps` reads and writes am-dbg's export files. `messages` has the two things that are said: a schema and a
transition. Import from the modules; nothing here is imported unless telemetry is used.
"""
