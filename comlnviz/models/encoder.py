"""What an encoder is: a recipe that makes networks, and the networks that it makes."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


class AbstractNetwork(eqx.Module):
    """A network on a whole batch: images in, one embedding vector of each out."""

    @abstractmethod
    def train(
        self, images: Float[Array, "B *shape"]
    ) -> tuple[Float[Array, "B d"], "AbstractNetwork"]:
        """Embeddings as in training, and the network with its running statistics moved on.

        Differs from calling the network only where batch normalization keeps running statistics.
        """

    @abstractmethod
    def __call__(self, images: Float[Array, "B *shape"]) -> Float[Array, "B d"]:
        """Embeddings."""


class AbstractEncoder(eqx.Module):
    """A recipe: sizes, no numbers. `init` makes a network, `size` is its embeddings' size d."""

    @property
    @abstractmethod
    def size(self) -> int:
        """The size d of an embedding."""

    @abstractmethod
    def init(self, key: PRNGKeyArray) -> AbstractNetwork:
        """A network with fresh weights."""


class Identity(AbstractEncoder):
    """No network: the inputs are embeddings of size `d` already (COMLN, Appendix E.4)."""

    d: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """See `AbstractEncoder`."""
        return self.d

    def init(self, key: PRNGKeyArray) -> "IdentityNetwork":
        """A network that flattens its inputs."""
        return IdentityNetwork()


class IdentityNetwork(AbstractNetwork):
    """Each input, flattened."""

    def train(self, images):
        """See `AbstractNetwork`."""
        return self(images), self

    def __call__(self, images):
        """See `AbstractNetwork`."""
        return images.reshape(images.shape[0], -1)
