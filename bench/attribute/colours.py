"""A colour and a hatch for each switch, the same in every figure: told apart by the colour-blind, and in grey."""

# Okabe & Ito's colours, as those of the ledger where a bucket means the same.
COLOURS = {
    "bandwidth": "#0072B2",
    "latency": "#56B4E9",
    "heterogeneity": "#E69F00",
    "dropouts": "#D55E00",
    "adversaries": "#882255",
    "overheads": "#CC79A7",
    "statistics": "#009E73",
}
HATCHES = {
    "bandwidth": "",
    "latency": "///",
    "heterogeneity": "...",
    "dropouts": "xx",
    "adversaries": "\\\\\\",
    "overheads": "++",
    "statistics": "---",
}
