"""BibTeX for what is on screen."""

_ENTRIES = {
    "comln": """@inproceedings{deleu2022comln,
  title     = {Continuous-Time Meta-Learning with Forward Mode Differentiation},
  author    = {Deleu, Tristan and Kanaa, David and Feng, Leo and Kerg, Giancarlo and
               Bengio, Yoshua and Lajoie, Guillaume and Bacon, Pierre-Luc},
  booktitle = {International Conference on Learning Representations},
  year      = {2022}
}""",
    "amaml": """@inproceedings{li2023amaml,
  title     = {Meta-Learning with Adjoint Methods},
  author    = {Li, Shibo and Wang, Zheng and Narayan, Akil and Kirby, Robert and Zhe, Shandian},
  booktitle = {International Conference on Artificial Intelligence and Statistics},
  year      = {2023}
}""",
    "anil": """@inproceedings{raghu2020anil,
  title     = {Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of {MAML}},
  author    = {Raghu, Aniruddh and Raghu, Maithra and Bengio, Samy and Vinyals, Oriol},
  booktitle = {International Conference on Learning Representations},
  year      = {2020}
}""",
    "gimli": """@article{grefenstette2019gimli,
  title   = {Generalized Inner Loop Meta-Learning},
  author  = {Grefenstette, Edward and Amos, Brandon and Yarats, Denis and Htut, Phu Mon and
             Molchanov, Artem and Meier, Franziska and Kiela, Douwe and Cho, Kyunghyun and
             Chintala, Soumith},
  journal = {arXiv preprint arXiv:1910.01727},
  year    = {2019}
}""",
    "metaopt": """@misc{metaopt2020,
  title = {Decoupling Adaptation from Modeling with Meta-Optimizers for Meta Learning},
  note  = {Anonymous submission to the International Conference on Learning Representations},
  year  = {2020}
}""",
    "neural-ode": """@inproceedings{chen2018neural,
  title     = {Neural Ordinary Differential Equations},
  author    = {Chen, Ricky T. Q. and Rubanova, Yulia and Bettencourt, Jesse and
               Duvenaud, David},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2018}
}""",
    "diffrax": """@phdthesis{kidger2021on,
  title  = {On Neural Differential Equations},
  author = {Kidger, Patrick},
  school = {University of Oxford},
  year   = {2021}
}""",
}


def citation(*keys: str) -> str:
    """BibTeX entries by key: comln, amaml, anil, gimli, metaopt, neural-ode, diffrax.

    **Raises** `ValueError` for an unknown key.
    """
    for key in keys:
        if key not in _ENTRIES:
            raise ValueError(f"There is no citation {key!r}: choose from {', '.join(_ENTRIES)}.")
    return "\n\n".join(_ENTRIES[key] for key in keys)
