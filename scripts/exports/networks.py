"""PyTorch's networks, by both of its exporters."""

import io
import logging
import warnings

import numpy as np
import torch
from cases import BOTH, COUNTRIES, FEATURES, FRAUD, KIND, ROWS, Export, T, X
from torch import nn

logging.getLogger("torch.onnx").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="torch|onnxscript|copyreg")
torch.set_num_threads(1)
SCALED = (BOTH - X.mean(axis=0)) / X.std(axis=0)
TRAINING = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0))
STEPS = 12
SEQUENCES = np.random.default_rng(5).normal(0, 1, (ROWS, STEPS, 4)).astype(np.float32)


def trained(network, x=TRAINING, y=FRAUD, steps=20):
    """A few steps are enough: weights and running means must not be the initial ones."""
    torch.manual_seed(3)
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    x = x if isinstance(x, tuple) else (x,)
    target = torch.from_numpy(np.asarray(y, np.float32))
    for _ in range(steps):
        optimizer.zero_grad()
        output = network(*x)
        loss = ((output.reshape(len(target), -1).mean(dim=1) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
    return network.eval()


def exported(network, feeds, dynamo, fixed=False, opset=18, outputs=("score",), score=None):
    """Exported with a variable number of rows, or with that of one row, as a bare call does."""
    example = tuple(torch.from_numpy(rows[: 1 if fixed else 2]) for rows in feeds.values())
    buffer = io.BytesIO()
    if fixed:
        variable = {}
    elif dynamo:
        variable = {"dynamic_shapes": tuple({0: torch.export.Dim("batch")} for _ in feeds)}
    else:
        variable = {"dynamic_axes": {name: {0: "batch"} for name in [*feeds, *outputs]}}
    names = {"input_names": list(feeds), "output_names": list(outputs)}
    if dynamo:
        program = torch.onnx.export(
            network, example, dynamo=True, verbose=False, opset_version=opset, **names, **variable
        )
        return Export(program.model_proto.SerializeToString(), feeds, score)
    torch.onnx.export(network, example, buffer, dynamo=False, opset_version=opset, **names, **variable)
    return Export(buffer.getvalue(), feeds, score)


def both(name, network, x=TRAINING, y=FRAUD, feeds=None, **options):
    """The case for each exporter."""
    feeds = {"input": SCALED} if feeds is None else feeds
    return {
        f"torch_{name}": lambda: exported(trained(network(), x, y), feeds, dynamo=True, **options),
        f"torch_{name}_traced": lambda: exported(trained(network(), x, y), feeds, dynamo=False, **options),
    }


def mlp(*middle, end=nn.Sigmoid):
    return nn.Sequential(nn.Linear(FEATURES, 16), *middle, nn.Linear(16, 1), end())


class Categories(nn.Module):
    """An embedding of a category beside numbers."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(COUNTRIES), 3)
        self.rest = nn.Sequential(nn.Linear(FEATURES + 3, 12), nn.ReLU(), nn.Linear(12, 1))

    def forward(self, numbers, country):
        columns = torch.cat([numbers, self.embedding(country).flatten(1)], dim=1)
        return torch.sigmoid(self.rest(columns))


class CategoryVector(Categories):
    """The category comes as a vector, not as a column."""

    def forward(self, numbers, country):
        return super().forward(numbers, country.reshape(-1, 1))


class Largest(nn.Module):
    """The largest of what a layer gives, and where it is."""

    def forward(self, rows):
        return rows + rows.max(dim=1, keepdim=True).values - rows.clamp(-1, 1)


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.MaxPool1d(3), nn.Flatten(), nn.Linear(24, 1))

    def forward(self, sequences):
        return torch.sigmoid(self.layers(sequences.transpose(1, 2)))


class Autoencoder(nn.Module):
    """The reconstruction error is the score; a mean over the columns, one number for each row."""

    def __init__(self):
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh())
        self.wide = nn.Linear(4, FEATURES)

    def forward(self, rows):
        return ((self.wide(self.narrow(rows)) - rows) ** 2).mean(dim=1)


class Recurrent(nn.Module):
    def __init__(self, layer, **options):
        super().__init__()
        self.layer = layer(4, 6, batch_first=True, **options)
        self.end = nn.Linear(6 * (2 if options.get("bidirectional") else 1), 1)

    def forward(self, sequences):
        states, _ = self.layer(sequences)
        return torch.sigmoid(self.end(states[:, -1]))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.end = nn.Linear(4, 1)

    def forward(self, sequences):
        return torch.sigmoid(self.end(self.layers(sequences).mean(dim=1)))


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(4, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()
        )
        self.end = nn.Linear(6, 1)

    def forward(self, sequences):
        return torch.sigmoid(self.end(self.layers(sequences.transpose(1, 2))))


class Classes(nn.Module):
    """Labels and probabilities, as scikit-learn's exports have them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FEATURES, 12), nn.ReLU(), nn.Linear(12, 3))

    def forward(self, rows):
        probabilities = torch.softmax(self.layers(rows), dim=1)
        return (probabilities.argmax(dim=1), probabilities) if not self.training else probabilities[:, 2]


class Holes(nn.Module):
    """Missing values become the column's mean and say so in a second column."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * FEATURES, 12), nn.ReLU(), nn.Linear(12, 1))

    def forward(self, rows):
        missing = torch.isnan(rows)
        rows = torch.where(missing, torch.zeros_like(rows), rows)
        return torch.sigmoid(self.layers(torch.cat([rows, missing.to(rows.dtype)], dim=1)))


PLACES = np.array([list(COUNTRIES).index(country) for country in T[:, 1]], dtype=np.int64)
CATEGORY_FEEDS = {"numbers": SCALED, "country": np.tile(PLACES[: len(SCALED)], 2)[: len(SCALED), None]}
CATEGORY_TRAINING = (TRAINING, torch.from_numpy(PLACES[:, None]))
SEQUENCE_TRAINING = torch.from_numpy(SEQUENCES)

CASES = {
    **both("mlp", lambda: mlp(nn.ReLU())),
    **both("mlp_logits", lambda: mlp(nn.ReLU(), end=nn.Identity)),
    **both("mlp_one_row", lambda: mlp(nn.ReLU()), fixed=True),
    **both("batch_norm", lambda: mlp(nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))),
    **both("layer_norm", lambda: mlp(nn.LayerNorm(16), nn.GELU())),
    **both("gelu_tanh", lambda: mlp(nn.GELU(approximate="tanh"))),
    **both("silu", lambda: mlp(nn.SiLU(), nn.Linear(16, 16), nn.Mish())),
    **both("elu", lambda: mlp(nn.ELU(), nn.Linear(16, 16), nn.SELU(), nn.Linear(16, 16), nn.LeakyReLU())),
    **both("prelu", lambda: mlp(nn.PReLU(), nn.Linear(16, 16), nn.Softplus())),
    **both("hard", lambda: mlp(nn.Hardswish(), nn.Linear(16, 16), nn.ReLU6(), nn.Linear(16, 16), nn.Hardsigmoid())),
    **both("group_norm", lambda: mlp(nn.GroupNorm(4, 16), nn.ReLU())),
    **both("embedding", Categories, CATEGORY_TRAINING, feeds=CATEGORY_FEEDS),
    **both(
        "category_vector",
        CategoryVector,
        CATEGORY_TRAINING,
        feeds=CATEGORY_FEEDS | {"country": CATEGORY_FEEDS["country"][:, 0]},
    ),
    **both("largest", lambda: mlp(Largest()), opset=20),
    **both(
        "log_softmax",
        lambda: nn.Sequential(nn.Linear(FEATURES, 3), nn.LogSoftmax(dim=1)),
        y=KIND == 2,
        score="score[2]",
    ),
    **both("max_pool", Pooled, SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
    **both("rnn", lambda: Recurrent(nn.RNN), SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
    **both("autoencoder", Autoencoder),
    **both("classes", Classes, y=KIND == 2, outputs=("label", "probabilities"), score="probabilities[2]"),
    **both("holes", Holes, feeds={"input": BOTH}),
    **both("lstm", lambda: Recurrent(nn.LSTM), SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
    **both("gru", lambda: Recurrent(nn.GRU), SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
    **both(
        "gru_both_ways",
        lambda: Recurrent(nn.GRU, bidirectional=True, num_layers=2),
        SEQUENCE_TRAINING,
        FRAUD[:ROWS],
        feeds={"input": SEQUENCES},
    ),
    **both("attention", Attention, SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
    **both("convolution", Convolution, SEQUENCE_TRAINING, FRAUD[:ROWS], feeds={"input": SEQUENCES}),
}
