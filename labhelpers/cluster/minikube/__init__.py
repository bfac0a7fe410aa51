"""``minikube``, as far as the labs use it, for the cluster of the sandbox.

It is not minikube: its nodes are namespaces and not machines.  What it takes is spelt as minikube spells it, so that a
lab can be typed as it stands; what it does not do it refuses in words.
"""
