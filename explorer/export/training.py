"""The rest of a run as code that stands alone: settings, model, schedule, loop."""

import re

from explorer.export.recipe import Recipe, Section
from explorer.export.source import bundle, literal
from explorer.models.sizes import parse_widths
from explorer.training import schedules

USED = {  # which settings a script names, by ladder
    "language": (
        *("window", "n_fac", "hidden", "layers", "dropout"),
        *("bptt", "jitter", "reset", "newlines", "every_symbol"),
    ),
    "vision": ("dropout", "images", "size", "augment", "label_smoothing"),
}
ALWAYS = ("batch_size", "lr", "lead_epochs", "lead_lr", "epochs", "weight_decay", "clip", "seed")


def settings(recipe: Recipe, data: str, checksum: str) -> Section:
    """Everything that decides the run, as constants."""
    e = recipe.experiment
    names = (*ALWAYS, *USED[e.rung.ladder])
    lines = [f"{name.upper()} = {literal(getattr(e, name))}" for name in names]
    code = f"""DATA = Path(os.environ.get("EXPLORER_DATA", ".")) / "{data}"  # where it lies
CHECKSUM = "{checksum}"  # MD5 of what the run learnt from
MOST_STEPS = int(os.environ.get("MOST_STEPS", 0))  # to try only a few; 0 trains to the end

{chr(10).join(lines)}

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")"""
    return Section("Settings", "All of them: nothing else decides the run.", code)


_DROPOUT = '''
masks = torch.Generator(device).manual_seed(SEED)  # dropout draws from a generator of its own


def drop(x, p):
    """A share p of x zeroed and the rest scaled up."""
    return x * torch.empty_like(x).bernoulli_(1 - p, generator=masks).div_(1 - p) if p else x
'''
_LAYERS = '''
class {name}(nn.{name}):
    """PyTorch's layers one after the other, with dropout between them."""

    def forward(self, x, state=None):
        if not (self.training and self.dropout and self.num_layers > 1):
            return super().forward(x, state)
        if state is None:
            zeros = x.new_zeros(self.num_layers, x.size(1), self.hidden_size)
            state = {zeros}
        parts, ends = state if isinstance(state, tuple) else (state,), []
        layer = getattr(torch, self.mode.lower())
        for number, weights in enumerate(self.all_weights):
            x = drop(x, self.dropout) if number else x
            start = tuple(part[number : number + 1] for part in parts)
            x, *end = layer(x, start if len(start) > 1 else start[0], weights, True, 1, 0.0, True, False, False)
            ends.append(end)
        ends = [torch.cat(part) for part in zip(*ends)]
        return x, tuple(ends) if len(ends) > 1 else ends[0]
'''
_DROPOUT_LAYER = '''
class Dropout(nn.Dropout):
    """``nn.Dropout`` that draws from the run's own generator."""

    def forward(self, x):
        return drop(x, self.p) if self.training else x
'''


def model(recipe: Recipe) -> Section:
    """The model's code as the page shows it, and how it is made."""
    e, rung = recipe.experiment, recipe.experiment.rung
    instead, before = {"RNN": "RNN = nn.RNN", "GRU": "GRU = nn.GRU", "LSTM": "LSTM = nn.LSTM", "ValueError": ""}, ""
    several = recipe.language and "layers" not in rung.fixed and e.layers > 1
    if several or not recipe.language:
        before = _DROPOUT.strip() + "\n\n\n"
    if several:
        for name in ("RNN", "GRU", "LSTM"):
            instead[name] = _LAYERS.format(name=name, zeros="zeros, zeros" if name == "LSTM" else "zeros")
    instead["Dropout"] = _DROPOUT_LAYER
    code = bundle(rung.model_class, instead={**instead, "SettingsError": ""})
    code = re.sub(r"recurrent: type\[[^\]]*\] =", "recurrent =", code)
    # PyTorch's own layers, where the code names them without saying so.
    named = [
        n
        for n in ("RNN", "GRU", "LSTM")
        if re.search(rf"(?<![.\w\"]){n}\b(?! =)", code) and f"\n{n} = " not in f"\n{code}"
    ]
    given = "".join(instead[name].strip() + "\n\n\n" for name in named if f"class {name}(" not in code)
    code = before + given + code
    start = (
        "torch.manual_seed(SEED)  # the initial weights\n"
        f"model = {_call(recipe)}.to(device)\n"
        'print(f"{sum(p.numel() for p in model.parameters()):,} parameters")'
    )
    if recipe.begun_from:
        start += f"\n\n# It began with {recipe.begun_from}: put that file beside this one.\n{LOADER}"
        start += f"\nmodel.load_state_dict(load({_file(recipe.begun_from)!r}))"
    return Section(f"The model: {rung.class_name}", rung.idea, code.rstrip() + "\n\n\n" + start)


def _file(begun_from: str) -> str:
    word = begun_from.rpartition(" ")[2]
    return word if word.endswith(".safetensors") else f"{word}.safetensors"


LOADER = '''
def load(path):
    """A safetensors file: how long its head is, a head in JSON, then the numbers; returns tensors by name."""
    raw = Path(path).read_bytes()
    head = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    body, kinds = memoryview(raw)[8 + int.from_bytes(raw[:8], "little") :], {"F32": "f4", "F16": "f2", "I64": "i8"}
    return {
        name: torch.from_numpy(np.frombuffer(body[slice(*about["data_offsets"])], kinds[about["dtype"]]).copy())
        .reshape(about["shape"]).float()
        for name, about in head.items() if name != "__metadata__"
    }
'''


def _call(recipe: Recipe) -> str:
    """The line that makes the model."""
    e, name = recipe.experiment, recipe.experiment.rung.class_name
    if recipe.language:
        layers = "" if "layers" in e.rung.fixed else ", LAYERS, DROPOUT"
        return f"{name}(len(itos), N_FAC, HIDDEN{layers})"
    widths = parse_widths(e.widths)
    half = [max(widths[0] // 2, 1), *widths]
    match e.model:
        case "simplenet":
            return f"{name}({[3072, *widths, 10]})"
        case "convnet" | "convnet2":
            return f"{name}({[3, *widths]}, 10)"
        case "resnet2":
            return f"{name}({half}, 10, DROPOUT, {literal(e.norm)})"
        case "builder":
            return f"{name}({widths}, 10, {e.depth}, {e.stem}, {literal(e.norm)}, {e.skip}, DROPOUT, {literal(e.pool)})"
    return f"{name}({half}, 10, {literal(e.norm)})"


def schedule(recipe: Recipe) -> Section:
    """The rate at every moment."""
    e = recipe.experiment
    makers = {
        "constant": (schedules.constant, "constant()"),
        "step": (schedules.step, f"step(EPOCHS, {e.drop_epochs})"),
        "cosine": (schedules.restarts, f"restarts(EPOCHS, {e.cycle_len}, {e.cycle_mult})"),
        "one-cycle": (schedules.one_cycle, "one_cycle()"),
    }
    maker, call = makers[e.schedule]
    one = e.schedule == "one-cycle"
    code = (
        bundle(maker, instead={"Schedule": "Schedule = Callable[[float], float]"})
        + f'''

main = {call}
{"momentum_of = combine([0.25, 0.75], [cosine(0.95, 0.85), cosine(0.85, 0.95)])" if one else ""}

def rates(done):
    """Learning rate and momentum after so many epochs, a fraction."""
    if done < LEAD_EPOCHS:
        return LEAD_LR, 0.9
    done = (done - LEAD_EPOCHS) / EPOCHS
    return LR * main(min(1.0, done)), {"momentum_of(done)" if one else "0.9"}
'''
    )
    return Section("The schedule", "A function of the epochs done, with the fraction.", code.strip())


_OPTIMISERS = {
    "adam": "torch.optim.Adam(model.parameters(), LR, weight_decay=WEIGHT_DECAY)",
    "adamw": "torch.optim.AdamW(model.parameters(), LR, weight_decay=WEIGHT_DECAY)",
    "sgd": "torch.optim.SGD(model.parameters(), LR, 0.9, weight_decay=WEIGHT_DECAY)",
    "nesterov": "torch.optim.SGD(model.parameters(), LR, 0.9, weight_decay=WEIGHT_DECAY, nesterov=True)",
}
_CHANGES = """
# What was changed while the run went on: after which step, what, and to what.
CHANGES = {changes}
factor = 1.0


def change(name, value):
    global factor, CLIP
    if name == "lr":
        factor = value / LR
    elif name == "clip":
        CLIP = value
    elif name == "weight_decay":
        optimiser.param_groups[0]["weight_decay"] = value
    else:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = value
            elif isinstance(module, nn.RNNBase) and module.num_layers > 1:
                module.dropout = value


"""


def loop(recipe: Recipe) -> Section:
    """The training loop and what it prints."""
    e, changes = recipe.experiment, recipe.changes()
    text = recipe.language
    stateful = text and getattr(e.rung.model_class, "stateful", False)
    reset = e.reset if stateful else "batch"
    call = "logits, state = model(x, state)" if text else "logits = model(x)"
    smoothing = ", label_smoothing=LABEL_SMOOTHING" if not text and e.label_smoothing else ""
    half = {"float32": "", "bfloat16": "True"}.get(e.precision, 'device.type == "cuda"') if not text else ""
    fresh = "state = None"
    evaluate = _lines(
        ("", "@torch.no_grad()"),
        ("", "def evaluate():"),
        ("", '    """Exact mean loss (nats) and accuracy on the validation data."""'),
        ("", "    model.eval()"),
        ("", "    total = right = count = 0"),
        (text, f"    {fresh}"),
        ("", "    for x, y, _ in valid_batches():"),
        ("", "        x, y = x.to(device), y.to(device)"),
        (text and not stateful, f"        {fresh}"),
        ("", f"        {call}"),
        ("", "        total += float(F.cross_entropy(logits.flatten(0, -2).float(), y.flatten())) * y.numel()"),
        ("", "        right += int((logits.argmax(-1) == y).sum())"),
        ("", "        count += y.numel()"),
        ("", "    return total / count, right / count"),
    )
    train = _lines(
        ("", "def train_epoch(epoch):"),
        (text, "    global state"),
        ("", "    model.train()"),
        (reset == "epoch", f"    {fresh}"),
        ("", "    for x, y, start in train_batches(generator):"),
        ("", "        x, y = x.to(device), y.to(device)"),
        ("", "        rate, momentum = rates(epoch + start)"),
        ("", "        for group in optimiser.param_groups:"),
        ("", f'            group["lr"] = rate{" * factor" if changes else ""}'),
        ("", '            if "momentum" in group:'),
        ("", '                group["momentum"] = momentum'),
        (text and reset == "batch", f"        {fresh}"),
        ("", "        optimiser.zero_grad()"),
        (bool(half), f"        with torch.autocast(device.type, torch.bfloat16, enabled={half}):"),
        ("", f"        {'    ' if half else ''}{call}"),
        (stateful, "        # The state runs on to the next batch, its history does not: truncated back-propagation."),
        (stateful, "        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()"),
        ("", f"        loss = F.cross_entropy(logits.flatten(0, -2).float(), y.flatten(){smoothing})"),
        ("", "        loss.backward()"),
        ("", "        if CLIP:"),
        ("", "            nn.utils.clip_grad_norm_(model.parameters(), CLIP)"),
        ("", "        optimiser.step()"),
        ("", "        losses.append(loss.detach())"),
        (changes, "        for name, value in CHANGES.get(len(losses), ()):"),
        (changes, "            change(name, value)"),
        ("", "        if len(losses) == MOST_STEPS:"),
        ("", "            return"),
    )
    run = _lines(
        ("", "for epoch in range(LEAD_EPOCHS + EPOCHS):"),
        ("", "    began = time.time()"),
        ("", "    train_epoch(epoch)"),
        ("", "    if MOST_STEPS and len(losses) >= MOST_STEPS:"),
        ("", "        break"),
        ("", "    rows.append((epoch + 1, *evaluate()))"),
        ("", "    said, seconds = rows[-1][1:], time.time() - began"),
        ("", '    print(f"epoch {epoch + 1:3}  loss {said[0]:.5f}  accuracy {said[1]:.5f}  {seconds:.1f} s")'),
        ("", "losses = [float(loss) for loss in losses]"),
    )
    begin = _lines(
        ("", f"optimiser = {_OPTIMISERS[e.optimiser]}"),
        ("", "generator = torch.Generator().manual_seed(SEED)  # decides the batches"),
        ("", "losses, rows, state = [], [], None"),
        (changes, _CHANGES.format(changes=changes).rstrip()),
    )
    words = "One batch after the other: forward, backward, a step of the optimiser. After each epoch, validation."
    return Section("The training loop", words, "\n\n\n".join((begin, evaluate, train, run)))


def _lines(*lines: tuple[object, str]) -> str:
    """Those lines whose condition holds; "" always does."""
    return "\n".join(line for condition, line in lines if condition == "" or condition)
