"""Where panes stand, by the size of the screen: style sheets and breakpoints; and which pane has the focus.

| class of the screen | from cells | what is seen |
| --- | --- | --- |
| `-lone` | 0 | one pane |
| `-narrow` | 70 | machines; states over records, or why over records |
| `-medium` | 100 | machines; states; why over records |
| `-wide` | 140 | machines; states over records; why |

`-short` (under 30 rows) has a lower time bar and no second toolbar; `-low` (under 18) shows one pane beside the machines. The
screen also has the class `-on-NAME` of the pane that was last gone to, and `-past` while another moment than the present is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

HORIZONTAL = [(0, "-lone"), (70, "-narrow"), (100, "-medium"), (140, "-wide")]
VERTICAL = [(0, "-low"), (18, "-short"), (30, "-tall")]
ALONE = ("-lone", "-one")
PLACES = (("states", "peer"),)
"""Panes that share a place: the one that is wanted is shown there."""


def css(panes: Iterable[str]) -> str:
    """The style sheet for panes of these names."""
    names = list(panes)
    rules = [BASE]
    for alone in ALONE:
        rules.append(f"Screen.{alone} #content {{ grid-size: 1 1; grid-columns: 1fr; grid-rows: 1fr; }}")
        rules += [f"Screen.{alone} #{name} {{ display: none; row-span: 1; }}" for name in names]
        rules += [f"Screen.{alone}.-on-{name} #{name} {{ display: block; }}" for name in names]
        rules.append(
            f"Screen.{alone}.-on-states #peer, Screen.{alone}.-on-peer #states {{ display: block; }}"
        )
    return "\n".join(rules)


BASE = """
Screen { background: $background; color: $foreground; }
#content {
    layout: grid; height: 1fr; grid-size: 3 2;
    grid-columns: 32 1fr 1fr; grid-rows: 1fr 1fr;
}
#machines { row-span: 2; }
Screen.-wide #content { grid-columns: 34 1fr 37%; grid-rows: 11fr 10fr; }
Screen.-wide #why { row-span: 2; }
Screen.-medium #content { grid-columns: 31 1fr 1fr; }
Screen.-medium #states, Screen.-medium #peer { row-span: 2; }
Screen.-narrow #content { grid-size: 2 2; grid-columns: 27 1fr; grid-rows: 10fr 9fr; }
Screen.-narrow #why { display: none; }
Screen.-narrow.-on-why #why { display: block; }
Screen.-narrow.-on-why #states, Screen.-narrow.-on-why #peer { display: none; }
Screen.-narrow.-low #content { grid-size: 2 1; grid-rows: 1fr; }
Screen.-narrow.-low #records { display: none; }
Screen.-narrow.-low.-on-records #records { display: block; }
Screen.-narrow.-low.-on-records #states, Screen.-narrow.-low.-on-records #peer { display: none; }
Screen.-narrow.-low #machines { row-span: 1; }
.-away { display: none !important; }
Screen.-beside #content { grid-size: 1 1; grid-columns: 1fr; grid-rows: 1fr; width: 34; }
Screen.-beside #content > * { display: none; }
Screen.-beside #content > #machines { display: block; row-span: 1; }
#middle { height: 1fr; }
#standing { width: 1fr; }
Screen.-short #time, Screen.-low #time { height: 2; border: none; }
Screen.-short #time:focus, Screen.-low #time:focus { border: none; background: $bar; }
Screen.-short #switches, Screen.-low #switches { display: none; }
VirtualList {
    border-title-color: $text-grey;
    border-subtitle-color: $text-grey;
    scrollbar-color: $frame;
    scrollbar-color-hover: $frame-focused;
    scrollbar-color-active: $frame-focused;
    scrollbar-background: $background;
    scrollbar-background-hover: $background;
    scrollbar-background-active: $background;
}
TimeBar { border-title-color: $text-grey; border-subtitle-color: $text-grey; }
VirtualList:focus, TimeBar:focus { border-title-color: $frame-focused; border-title-style: bold; }
Screen.-past Pane, Screen.-past TimeBar { border: solid $trust-stale; }
Screen.-past Pane:focus, Screen.-past TimeBar:focus { border: double $trust-stale; border-title-color: $trust-stale; }
Screen.-past.-short #time, Screen.-past.-low #time { border: none; }
"""
