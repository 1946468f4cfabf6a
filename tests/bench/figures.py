"""From measurements to rows: medians and spread, a table for people, a line of JSON for programs."""
import json
import statistics

COLUMNS = (  # title, width, field, format
    ("", 10, "name", "{}"), ("patients", 11, "patients", "{:,}"), ("in flight", 10, "in_flight", "{:,}"),
    ("sync +ms", 9, "sync_added_ms", "{:g}"), ("events/s", 10, "events_per_s", "{:,.0f}"), ("least", 9, "events_per_s_least", "{:,.0f}"),
    ("most", 9, "events_per_s_most", "{:,.0f}"), ("p50 ms", 8, "p50_ms", "{:.2f}"), ("p99 ms", 8, "p99_ms", "{:.2f}"),
    ("worst ms", 9, "worst_ms", "{:.0f}"), ("CPU us", 8, "server_cpu_us_per_event", "{:.2f}"), ("sync p50", 9, "sync_p50_ms", "{:.2f}"),
    ("taken/s", 9, "taken_events_per_s", "{:,.0f}"), ("taken", 7, "taken_per_event", "{:.2f}"), ("in time", 8, "taken_in_time", "{:.0%}"),
)


def middle(rows, field):
    return statistics.median(row[field] for row in rows)


def summary(name, rows, **facts):
    rates = [row["events_per_s"] for row in rows]
    row = {"name": name, **facts, "rounds": len(rows), "events_per_s": statistics.median(rates), "events_per_s_least": min(rates),
           "events_per_s_most": max(rates), "worst_ms": max(r["worst_ms"] for r in rows)}
    for field in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "server_cpu_us_per_event", "sync_p50_ms", "syncs_per_event"):
        row[field] = round(middle(rows, field), 5)
    for field in ("taken_events_per_s", "taken_per_event", "taken_in_time"):
        if field in rows[0]:
            row[field] = round(middle(rows, field), 3)
    row["server_cpu_us_per_event_least"] = min(r["server_cpu_us_per_event"] for r in rows)
    return row


def pace_of(row):
    """Events a second until all was done: where what they emit is taken, until that was acknowledged."""
    return row.get("taken_events_per_s", row["events_per_s"])


def compare(row, rows, other, other_rows):
    """The ratio is the median over rounds of both in the same round."""
    ratios = [pace_of(a) / pace_of(b) for a, b in zip(rows, other_rows)]
    row[f"to_{other}"] = round(statistics.median(ratios), 3)
    row[f"to_{other}_least"], row[f"to_{other}_most"] = round(min(ratios), 3), round(max(ratios), 3)
    row[f"p50_to_{other}"] = round(statistics.median(a["p50_ms"] / max(b["p50_ms"], 1e-6) for a, b in zip(rows, other_rows)), 3)


def cell(row, field, form):
    value = row.get(field)
    return "" if value is None else form.format(value)


def print_table(title, rows):
    print(f"\n{title}\n" + "".join(f"{name:>{width}}" if name else " " * width for name, width, _, _ in COLUMNS) + "   compared")
    for row in rows:
        ratios = [f"{key[3:]} x{row[key]:.3f} ({row[key + '_least']:.3f}-{row[key + '_most']:.3f}, p50 x{row['p50_' + key]:.2f})"
                  for key in row if key.startswith("to_") and not key.endswith(("_least", "_most"))]
        cells = [f"{cell(row, field, form):<{width}}" if not name else f"{cell(row, field, form):>{width}}"
                 for name, width, field, form in COLUMNS]
        print("".join(cells) + "   " + ", ".join(ratios))


def print_facts(title, facts):
    print(f"\n{title}")
    for name, value in facts.items():
        print(f"  {name:42} {value:,}" if isinstance(value, (int, float)) else f"  {name:42} {value}")


class Results:
    """build/bench/results.jsonl: written only when all was clean, part by part."""

    def __init__(self, path):
        self.path = path
        path.write_text("", encoding="utf-8")

    def add(self, part, rows):
        with open(self.path, "a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"part": part, **row}) + "\n")
