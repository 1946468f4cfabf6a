"""Pictures, by gnuplot."""
import shutil
import subprocess

import progress

SUSTAINED = """
set terminal svg size 900,520 font 'sans,13' background '#ffffff'
set output '{svg}'
set multiplot layout 2,1 title 'handoffd, sustained: {title}'
set grid ytics lc '#dddddd'
set xrange [0:*]
set yrange [0:*]
set format y '%.0f'
unset key
set lmargin 10
set ylabel 'events/s'
plot '{dat}' using 1:2 with lines lw 2 lc '#1f5fa8'
set ylabel 'milliseconds'
set xlabel 'seconds'
set key above
plot '{dat}' using 1:3 with lines lw 2 lc '#b3541e' title 'p99', '{dat}' using 1:5 with points pt 7 ps 0.4 lc '#777777' title 'longest pause'
unset multiplot
"""


def sustained(windows, folder, title):
    """Throughput, p99 and the longest pause of each ten seconds: sustained.dat and sustained.svg."""
    data, picture = folder / "sustained.dat", folder / "sustained.svg"
    lines = [f"{w['at_s']} {w['events_per_s']} {w['p99_ms']} {w['worst_ms']} {w['stall_ms']}" for w in windows]
    data.write_text("# s, events/s, p99 ms, worst ms, longest pause ms\n" + "\n".join(lines) + "\n", encoding="utf-8")
    if not windows or not shutil.which("gnuplot"):
        progress.warn("no plot: there is no gnuplot, or it took less than ten seconds")
        return
    subprocess.run(["gnuplot"], input=SUSTAINED.format(svg=picture, dat=data, title=title), text=True, check=True)
    progress.say(f"the plot is {picture}")
