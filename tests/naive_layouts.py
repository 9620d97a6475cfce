"""How other projects would save a network with torchvision's names, written from their module trees (nothing of ours).

Each function takes a state dict of torchvision's names and the blocks that are shifted, and returns the project's.
"""


def official_tsm(state, shifted, *, place="blockres", dropout=True, parallel=True):
    """mit-han-lab/temporal-shift-module: TSN holds `base_model` and, unless dropout is 0, a classifier `new_fc`."""
    made = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "fc" and dropout:
            made["new_fc." + parts[1]] = value
            continue
        if ".".join(parts[:2]) in shifted:
            if place == "block":
                parts.insert(2, "net")
            elif parts[2] == "conv1":
                parts.insert(3, "net")
        if place == "pool" and parts[0] == "layer2":
            parts.insert(1, "net")
        made["base_model." + ".".join(parts)] = value
    return {"module." + name: value for name, value in made.items()} if parallel else made


def mmaction2(state, shifted):
    """open-mmlab/mmaction2: a ResNet of ConvModules, each with `conv` and `bn`, and a head `cls_head.fc_cls`."""
    made = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "fc":
            made["cls_head.fc_cls." + parts[1]] = value
            continue
        place, leaf = parts[:-1], parts[-1]
        if place[-2:-1] == ["downsample"]:
            place[-1] = {"0": "conv", "1": "bn"}[place[-1]]
        elif place[-1].startswith("bn"):
            place[-1:] = ["conv" + place[-1][2:], "bn"]
        elif place[-1].startswith("conv"):
            wrapped = ".".join(parts[:2]) in shifted and place[-1] == "conv1"
            place += ["conv", "net"] if wrapped else ["conv"]
        made["backbone." + ".".join([*place, leaf])] = value
    return made
