"""COMLN's statements, one by one, as explicit matrices built from its own pieces s, B, z."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from reference import error, task

from comlnviz import linear_flow
from comlnviz.adjoints.forward_sensitivity import Sensitivities, dynamics, project
from comlnviz.integrator import Integrator
from comlnviz.models.linear_head import LinearHead, cross_entropy

T = 2.0
SETTINGS = [(0.0, 0.0), (0.5, 0.2)]


def solve_pieces(W0, features, labels, proximal):
    head = LinearHead.on(W0, features, labels, jnp.asarray(proximal))
    integrator = Integrator(diffrax.Dopri5(), 1e-10, 1e-10, None, 4096)
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    start = Sensitivities.start(head)
    return head, integrator.solve(dynamics, start, head, jnp.asarray(T), None, adjoint).final


solve_pieces = jax.jit(solve_pieces)
jacobians = jax.jit(
    lambda W0, x, y, lam: jax.jacfwd(
        lambda W0, x, lam: reference.flow(W0, x, y, T, lam), argnums=(0, 1, 2)
    )(W0, x, lam)
)


@pytest.fixture(scope="module", params=SETTINGS, ids=["plain", "proximal-smoothed"])
def problem(request):
    proximal, smooth = request.param
    W0, features, labels, V = task(1, M=4, N=3, d=5, smooth=smooth)
    head, at = solve_pieces(W0, features, labels, proximal)
    return W0, features, labels, V, proximal, head, at


def test_lemma_1_gradient_and_hessian_of_the_loss(problem):
    W0, x, y, V, proximal, *_ = problem
    W = W0 + 0.3 * V
    p = np.exp(x @ W.T)
    p /= p.sum(1, keepdims=True)
    M, (N, d) = len(x), W.shape
    gradient, hessian = proximal * np.asarray(W - W0), np.zeros((N, d, N, d))
    for m in range(M):
        gradient = gradient + np.outer(p[m] - y[m], x[m]) / M
        A = (np.diag(p[m]) - np.outer(p[m], p[m])) / M
        hessian = hessian + np.einsum("kl,x,y->kxly", A, x[m], x[m])
    hessian = hessian + proximal * np.eye(N * d).reshape(N, d, N, d)
    arguments = (W, W0, x, y, proximal)
    assert error(jax.grad(reference.inner_loss)(*arguments), gradient) < 1e-13
    assert error(jax.hessian(reference.inner_loss)(*arguments), hessian) < 1e-12


def test_cross_entropy_is_the_loss_that_linear_flow_descends(problem):
    W0, x, y, V, *_ = problem
    W = W0 + V
    assert error(cross_entropy(W, (x, y)), reference.inner_loss(W, W0, x, y, 0.0)) < 1e-13
    # Logits of 800 neither overflow nor give NaN.
    assert np.isfinite(jax.grad(cross_entropy)(800 * W, (x, y))).all()


def test_proposition_1_W_is_W0_minus_s_phi(problem):
    W0, x, y, _, proximal, _, at = problem
    assert error(W0 - at.s.T @ x, reference.flow(W0, x, y, T, proximal)) < 1e-9
    W = linear_flow(W0, x, y, T, proximal=proximal, rtol=1e-10, atol=1e-10).params
    assert error(W, reference.flow(W0, x, y, T, proximal)) < 1e-9


def test_proposition_2_jacobian_of_W0(problem):
    W0, x, y, _, proximal, _, at = problem
    N, d = W0.shape
    eye = np.eye(N * d).reshape(N, d, N, d)
    jacobian = eye - np.einsum("ijkl,ix,jy->kxly", at.B, x, x)
    assert error(jacobian, jacobians(W0, x, y, proximal)[0]) < 1e-8


def test_proposition_3_jacobian_of_the_features(problem):
    W0, x, y, _, proximal, _, at = problem
    d = W0.shape[1]
    jacobian = -(
        np.einsum("mk,xy->kxmy", at.s, np.eye(d))
        + np.einsum("imkl,ly,ix->kxmy", at.B, W0, x)
        + np.einsum("ijmk,jy,ix->kxmy", at.z, x, x)
    )
    assert error(jacobian, jacobians(W0, x, y, proximal)[1]) < 1e-8


def test_sensitivity_to_the_proximal_weight(problem):
    W0, x, y, _, proximal, _, at = problem
    assert error(-np.einsum("mk,mx->kx", at.r, x), jacobians(W0, x, y, proximal)[2]) < 1e-8


def test_proposition_4_gradient_in_T_is_minus_the_alignment_of_the_gradients(problem):
    W0, x, y, V, proximal, *_ = problem

    def value(T):
        W = linear_flow(W0, x, y, T, proximal=proximal, rtol=1e-10, atol=1e-10).params
        return reference.test_loss(W, V), W

    gradient, W = jax.grad(value, has_aux=True)(T)
    train = jax.grad(reference.inner_loss)(W, W0, x, y, proximal)
    test = jax.grad(reference.test_loss)(W, V)
    assert error(gradient, -jnp.sum(train * test)) < 1e-10
    late, early = (reference.flow(W0, x, y, T + h, proximal) for h in (1e-4, -1e-4))
    slope = (reference.test_loss(late, V) - reference.test_loss(early, V)) / 2e-4
    assert error(gradient, slope) < 1e-6


def algorithms_3_and_4(V, W0, x, at):
    """C and D by loops, and what they make of V."""
    M = len(x)
    C = np.zeros(at.s.shape)
    D = np.zeros((M, M))
    for j in range(M):
        for i in range(M):
            C[j] += (V @ x[i]) @ at.B[i, j]
            for m in range(M):
                D[m, j] += at.z[i, j, m] @ (V @ x[i])
    return C, D, V - C.T @ x, -(at.s @ V + C @ W0 + D @ x)


def test_propositions_5_and_6_projections_of_algorithms_3_and_4(problem):
    W0, x, y, V, proximal, head, at = problem
    C, D, to_W0, to_features = algorithms_3_and_4(*(np.asarray(a) for a in (V, W0, x)), at)
    of_W0, of_features, _ = jacobians(W0, x, y, proximal)
    assert error(to_W0, np.einsum("kx,kxly->ly", V, of_W0)) < 1e-8
    assert error(to_features, np.einsum("kx,kxmy->my", V, of_features)) < 1e-8
    # The code keeps them as cotangents of the head: −C of logits0, and −D/2, up to symmetry, of G.
    bar = project(-(x @ V.T), at, head)
    assert error(bar.logits0, -C) < 1e-12
    assert error(bar.gram + bar.gram.T, -(D + D.T) / 2) < 1e-12


def algorithm_2(s, B, z, W0, x, y, lam):
    """The right-hand side, with every index in a loop (with λ outside A_i, unlike in print)."""
    M, N = s.shape
    W = W0 - sum(np.outer(s[m], x[m]) for m in range(M))
    ds, dB, dz = np.zeros_like(s), np.zeros_like(B), np.zeros_like(z)
    for i in range(M):
        p = np.exp(W @ x[i])
        p /= p.sum()
        A = (np.diag(p) - np.outer(p, p)) / M
        ds[i] = (p - y[i]) / M - lam * s[i]
        for j in range(M):
            through = sum((x[i] @ x[m]) * B[m, j] for m in range(M))
            dB[i, j] = (i == j) * A - lam * B[i, j] - A @ through
            for m in range(M):
                through = sum((x[i] @ x[k]) * z[k, j, m] for k in range(M))
                own = (i == j) * s[m] + (i == m) * s[j]
                dz[i, j, m] = -A @ (own + through) - lam * z[i, j, m]
    return ds, dB, dz


@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_algorithm_2_equals_explicit_loops(lam):
    W0, x, y, _ = (np.asarray(a) for a in task(2, M=3, N=2, d=4, smooth=0.1))
    rng = np.random.default_rng(0)
    s, B, z = (rng.normal(size=n) for n in ((3, 2), (3, 3, 2, 2), (3, 3, 3, 2)))
    head = LinearHead.on(*(jnp.asarray(a) for a in (W0, x, y, lam)))
    state = Sensitivities(*(jnp.asarray(a) for a in (s, B, z, s)))
    rate = dynamics(state, head)
    want = algorithm_2(s, B, z, W0, x, y, lam)
    for one, other in zip((rate.s, rate.B, rate.z), want, strict=True):
        assert error(one, other) < 1e-13
