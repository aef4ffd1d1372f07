"""Message passing on given instances: belief propagation in its O(N P) form and on edges, with fields, self-fields and replicas."""
