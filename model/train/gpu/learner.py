"""Loss and gradient of the lifted network in PyTorch, for machines with a GPU.

`train --learner "python3 learner.py"` starts this program and keeps everything else: crops, steps, averages, checkpoints. What is
here mirrors `model/src/lifted.rs` and its parts, names and shapes included; `model/train/tests/learner.rs` holds both to each other.

Standard input, little-endian: u32 length and JSON {config, parameters: [[name, shape], ...], speed_of_sound_m_s}, then once
f32 frequencies_hz [K], harmonics [Q, S], units [Q, 3]. Then for each step f32 values [P], positive_weight, contrast, u32 outputs,
crops, and for each crop u32 [C, T, D], f32 positions_m [C, 3], phat [T, C, K, 2], slopes [T, 3, K], evidence [K, T, E], of_frames [T, 3],
harmonics [D, S], labels [outputs, T, D]. Standard output: f32 loss, gradient [P].
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

RESPONSE_GAIN = 4.0
# Frames whose labels sum up to less have no talker.
NOBODY = 1e-3
# Votes: `model/src/lifted/votes.rs`.
SHARPEST, MOST_OF_LEVELS, OPEN, BEGIN, ROOT_FLOOR, ROOT_GAIN = 8.0, 4.0, 0.2, 1e-3, 0.01, 0.3


def read(count, kind="<f4"):
    data = sys.stdin.buffer.read(count * 4)
    if len(data) < count * 4:
        sys.exit(0)
    return np.frombuffer(data, kind)


def compressed(x):
    return torch.sqrt(x + ROOT_FLOOR) * ROOT_GAIN


def mixing(raw):
    """Softplus, then a sum of one over the bins: [K, M] to [M, K]."""
    positive = F.softplus(raw)
    return (positive / positive.sum(0, keepdim=True)).t()


class Network:
    def __init__(self, header, device):
        self.sizes = header["config"]["augeonet"]
        self.hop_s = header["config"]["hop_s"]
        self.parameters, self.device = header["parameters"], device
        self.speed_of_sound_m_s = header["speed_of_sound_m_s"]
        k, q, order = self.sizes["bins"], self.sizes["quadrature"], self.sizes["order"]
        s = (order + 1) ** 2
        of = lambda *shape: torch.from_numpy(read(int(np.prod(shape))).reshape(shape).copy()).to(device)
        self.frequencies_hz, self.harmonics, self.units = of(k), of(q, s), of(q, 3)
        self.degree = torch.tensor([n for n in range(order + 1) for _ in range(2 * n + 1)], device=device)
        self.keep = torch.tensor([np.exp(-self.hop_s / tau) for tau in self.sizes.get("memory_s", [])], device=device).float()

    def steer(self, crop):
        """Mean cosine over all pairs of capsules, [B, K, T, Q]."""
        count = crop["count"].view(-1, 1, 1, 1)
        delays_s = torch.einsum("bcx,qx->bcq", crop["positions_m"].double(), self.units.double()) / self.speed_of_sound_m_s
        turns = torch.einsum("k,bcq->bkcq", self.frequencies_hz.double(), delays_s)
        steering = torch.polar(torch.ones_like(turns), -2 * np.pi * turns).to(torch.complex64)
        sums = torch.einsum("btck,bkcq->bktq", crop["phat"], steering)
        return (sums.real**2 + sums.imag**2 - count) / (count * (count - 1))

    def geometry(self, crop):
        """Spread along and across each direction, and the number of capsules, [B, Q, 3]."""
        positions, count = crop["positions_m"], crop["count"].view(-1, 1)
        total = (positions**2).sum((1, 2)).view(-1, 1) / count
        along = (torch.einsum("bcx,qx->bcq", positions, self.units) ** 2).sum(1) / count
        across = (0.5 * (total - along)).clamp_min(0.0)
        spread = lambda x: torch.log10(x + 1e-6) + 3.0
        return torch.stack([spread(along), spread(across), (torch.log2(count) - 3.0).expand_as(along)], -1)

    def leaky(self, x):
        """Leaky averages over time of [B, T, n], from nothing: [M, B, T, n]."""
        t = torch.arange(x.shape[1], device=x.device)
        ages = (t.view(-1, 1) - t.view(1, -1)).clamp_min(0)
        causal = (t.view(-1, 1) >= t.view(1, -1)).float()
        decay = (1 - self.keep.view(-1, 1, 1)) * self.keep.view(-1, 1, 1) ** ages * causal
        return torch.einsum("mts,bsn->mbtn", decay, x)

    def remember(self, sums, weights):
        """Weighed means over the past, [M, B, T, n], of sums [B, T, n] under weights [B, K, T]."""
        both = self.leaky(torch.cat([sums, weights.mean(1).unsqueeze(-1)], -1))
        return both[..., :-1] / (both[..., -1:] + 1e-6)

    @torch.no_grad()
    def shares(self, votes, weights):
        """Shares of the frames, then those remembered, [2 M, B, T, Q], compressed."""
        b, k, t, q = votes.shape
        keep = self.keep.view(1, -1, 1)
        past = torch.full((b, len(self.keep), q), BEGIN / q, device=votes.device)
        weight = torch.full((b, len(self.keep), 1), BEGIN, device=votes.device)
        of_frames, of_memories = [], []
        for frame in range(t):
            vote, of_bins = votes[:, :, frame], weights[:, :, frame]
            whole = of_bins.sum(1).view(b, 1, 1)
            prior = past * (1 - OPEN) / weight + OPEN / q
            fits = torch.bmm(prior, vote.transpose(1, 2)).clamp_min(1e-20)
            share = prior * torch.bmm(of_bins.unsqueeze(1) / fits, vote)
            weight = keep * weight + (1 - keep) * whole / k
            past = keep * past + share * (1 - keep) / k
            of_frames.append(share * (q / whole.clamp_min(1e-9)))
            of_memories.append(past * q / weight.clamp_min(1e-12))
            lift = (BEGIN / weight).clamp_min(1.0)
            past, weight = past * lift, weight.clamp_min(BEGIN)
        stacked = torch.stack(of_frames + of_memories).view(2, t, b, len(self.keep), q)
        return compressed(stacked.permute(0, 3, 2, 1, 4).reshape(2 * len(self.keep), b, t, q))

    def block(self, p, x):
        """One spherical block on [B, Q, T, H]."""
        b, q, t, h = x.shape
        u = F.layer_norm(x, (h,), p("norm_sphere.weight"), p("norm_sphere.bias"))
        spectrum = torch.einsum("qs,bqth->bsth", self.harmonics, u) * (4 * np.pi / q)
        spectrum = spectrum * p("zonal.gain")[self.degree].view(1, -1, 1, h)
        zonal = torch.einsum("qs,bsth->bqth", self.harmonics, spectrum)
        pooled = torch.cat([u.mean(1), u.amax(1)], -1)
        context = F.linear(pooled, p("context.weight"), p("context.bias")).unsqueeze(1)
        local = F.elu(F.linear(torch.cat([u, zonal], -1), p("mlp_in.weight"), p("mlp_in.bias")))
        middle = x + context + F.linear(local, p("mlp_out.weight"), p("mlp_out.bias"))
        into = F.layer_norm(middle, (h,), p("norm_time.weight"), p("norm_time.bias")).reshape(b * q, t, h)
        weights = [p(f"gru.{name}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        start = torch.zeros(1, b * q, h, device=x.device)
        states, _ = torch._VF.gru(into, start, weights, True, 1, 0.0, True, False, True)
        return middle + states.view(b, q, t, h)

    def loss(self, parameters, crop, positive_weight, contrast):
        sizes, p = self.sizes, parameters
        b, (k, q) = crop["phat"].shape[0], (sizes["bins"], sizes["quadrature"])
        t = crop["phat"].shape[1]
        with torch.no_grad():
            steered = self.steer(crop)
            geometry = self.geometry(crop)
        hidden = F.elu(F.linear(crop["evidence"], p["evidence.0.weight"], p["evidence.0.bias"]))
        weights = 2 * torch.sigmoid(F.linear(hidden, p["evidence.1.weight"], p["evidence.1.bias"])).squeeze(-1)
        z = torch.sigmoid(F.linear(hidden, p["evidence.votes.weight"], p["evidence.votes.bias"]))
        sharp = 2 * (crop["count"] - 1).clamp(1, SHARPEST).view(-1, 1, 1) * z[..., 0]
        level = MOST_OF_LEVELS * (2 * z[..., 1] - 1)

        bands = RESPONSE_GAIN * mixing(p["bands"])
        mean = torch.full((1, k), RESPONSE_GAIN / k, device=self.device)
        mix = lambda x, rows, weights: torch.einsum("mk,bktn->bmtn", rows, weights.unsqueeze(-1) * x)
        mixed = mix(steered, torch.cat([bands, mean]), weights)
        plain = mix(steered, mean, torch.ones_like(weights))
        slopes = crop["slopes"].permute(0, 3, 1, 2)  # [B, K, T, 3]
        by_level = torch.einsum("bktx,qx->bktq", slopes, self.units)
        exponent = sharp.unsqueeze(-1) * (steered - steered.amax(-1, keepdim=True)) + level.unsqueeze(-1) * by_level
        votes = torch.softmax(exponent, -1) * q
        voted = compressed(mix(votes, mixing(p["votes"]), weights))
        shares = self.shares(votes, weights)
        leveled = mix(slopes, torch.cat([RESPONSE_GAIN * mixing(p["levels"]), mean]), weights)  # [B, NL + 1, T, 3]
        leveled = torch.cat([leveled[:, :-1], self.remember(leveled[:, -1], weights).transpose(0, 1)], 1)

        rows = [mixed[:, :-1].permute(0, 3, 2, 1), geometry.unsqueeze(2).expand(b, q, t, 3), plain.permute(0, 3, 2, 1)]
        rows.append(crop["of_frames"].unsqueeze(1).expand(b, q, t, -1))
        rows.append(self.remember(mixed[:, -1], weights).permute(1, 3, 2, 0))
        rows += [voted.permute(0, 3, 2, 1), shares.permute(1, 3, 2, 0)]
        rows.append(torch.einsum("bmtx,qx->bqtm", leveled, self.units))
        x = F.linear(torch.cat(rows, -1), p["input.weight"], p["input.bias"])
        for index in range(sizes["blocks"]):
            x = self.block(lambda name: p[f"blocks.{index}.{name}"], x)

        total, outputs = 0.0, crop["labels"].shape[1]
        for output in range(outputs):
            local = F.linear(x, p[f"outputs.{output}.weight"], p[f"outputs.{output}.bias"])
            latent = torch.einsum("qs,bqtj->btsj", self.harmonics, local) * (4 * np.pi / q)
            gain = p["gridnet.gain"][output].t()[self.degree]  # [S, J]
            point = (latent * gain).sum(-1)
            logits = torch.einsum("bts,bds->btd", point, crop["harmonics"]) + p["score.bias"][output]
            labels = crop["labels"][:, output]
            terms = positive_weight * labels * F.softplus(-logits) + (1 - labels) * F.softplus(logits)
            total = total + terms.mean()
            if contrast > 0:
                whole = labels.sum(-1)
                shares = F.log_softmax(F.logsigmoid(logits), -1)
                of_frames = -(labels * shares).sum(-1) / whole.clamp_min(NOBODY)
                total = total + contrast * torch.where(whole >= NOBODY, of_frames, 0.0).mean()
        return total / outputs


def crops(network, count, outputs):
    """Reads crops; capsules that some lack are silent."""
    sizes, device = network.sizes, network.device
    k, s = sizes["bins"], (sizes["order"] + 1) ** 2
    features = dict(network.parameters)["evidence.0.weight"][1]
    all = []
    for _ in range(count):
        c, t, d = (int(x) for x in read(3, "<u4"))
        one = {"positions_m": read(c * 3).reshape(c, 3), "phat": read(t * c * k * 2).reshape(t, c, k, 2)}
        for name, shape in [
            ("slopes", (t, 3, k)),
            ("evidence", (k, t, features)),
            ("of_frames", (t, 3)),
            ("harmonics", (d, s)),
            ("labels", (outputs, t, d)),
        ]:
            one[name] = read(int(np.prod(shape))).reshape(shape)
        all.append(one)
    most = max(one["positions_m"].shape[0] for one in all)
    batch = {"count": torch.tensor([one["positions_m"].shape[0] for one in all], device=device).float()}
    for one in all:
        lack = most - one["positions_m"].shape[0]
        one["positions_m"] = np.pad(one["positions_m"], ((0, lack), (0, 0)))
        one["phat"] = np.pad(one["phat"], ((0, 0), (0, lack), (0, 0), (0, 0)))
    for name in all[0]:
        batch[name] = torch.from_numpy(np.stack([one[name] for one in all])).to(device, non_blocking=True)
    batch["phat"] = torch.view_as_complex(batch["phat"].contiguous())
    return batch


def main():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    header = json.loads(sys.stdin.buffer.read(int(read(1, "<u4")[0])))
    network = Network(header, device)
    print(f"learner: PyTorch {torch.__version__} on {device}", file=sys.stderr)
    lengths = [int(np.prod(shape)) for _, shape in network.parameters]
    while True:
        values = torch.from_numpy(read(sum(lengths)).copy()).to(device).requires_grad_()
        parts = torch.split(values, lengths)
        parameters = {name: part.view(*shape) for (name, shape), part in zip(network.parameters, parts)}
        positive_weight, contrast = (float(x) for x in read(2))
        outputs, count = (int(x) for x in read(2, "<u4"))
        loss = network.loss(parameters, crops(network, count, outputs), positive_weight, contrast)
        loss.backward()
        out = np.concatenate([[loss.item()], values.grad.cpu().numpy()]).astype("<f4")
        sys.stdout.buffer.write(out.tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
