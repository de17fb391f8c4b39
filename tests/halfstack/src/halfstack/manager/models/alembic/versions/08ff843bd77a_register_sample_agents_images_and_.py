"""register sample agents, images and kernels

Revision ID: 08ff843bd77a
Revises: 7bfb907a7507
Create Date: 2023-04-04 08:12:44.120937

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "08ff843bd77a"
down_revision = "7bfb907a7507"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        INSERT INTO agents
            (id, status, region, addr, mem_slots, cpu_slots, first_contact, lost_at, used_mem_slots, used_cpu_slots)
        VALUES
            ('i-node01', 'alive', 'local', 'tcp://10.0.0.11', 65536, '16', '2023-04-01 00:00+00', NULL, 8192, 4),
            ('i-node02', 'alive', 'local', 'tcp://10.0.0.12', 32768, '8', '2023-04-01 00:05+00', NULL, 1024, 1),
            ('i-edge01', 'lost', 'edge', 'tcp://10.8.0.5', 4096, '2.5', '2023-04-02 09:30+00',
             '2023-04-03 18:00+00', 0, 0)
        """
    )
    op.execute(
        """
        INSERT INTO images (id, name, size_bytes, labels, created_at)
        VALUES
            ('0d6d2c3c-3f05-4c69-8d0e-59cbe2c3a6a1', 'registry.halfstack.example/base/python:3.11-ubuntu22.04',
             412876331, '{"features": ["uid-match"], "min-cpu": 1}', '2023-04-01 01:00+00'),
            ('4f6f0c52-6a4b-4a1e-8d25-8b7ce70ee8fb', 'registry.halfstack.example/ml/torch:2.0-cuda11.8',
             6912441210, '{"features": ["gpu"], "min-cpu": 2}', '2023-04-01 01:10+00'),
            ('91c0a3d4-7f42-4a5c-9f0c-0c7c5a2f1f66', 'mirror.halfstack.example:5000/base/alpine:3.17',
             7046321, '{}', '2023-04-01 01:20+00')
        """
    )
    op.execute(
        """
        INSERT INTO kernels
            (id, status, agent, image, user_id, group_id, created_at, terminated_at, sess_name)
        VALUES
            ('a6f3b1de-0f0d-4b86-a3ad-30a0b6a6b101', 'terminated', 'i-node01',
             'registry.halfstack.example/base/python:3.11-ubuntu22.04', 'dfa9da54-4b28-432f-be29-c0d680c7a412',
             '2de2b969-1d04-48a6-af16-0bc8adb3c831', '2023-04-02 10:00+00', '2023-04-02 11:30+00', 'first-steps'),
            ('a6f3b1de-0f0d-4b86-a3ad-30a0b6a6b102', 'serving', 'i-node01',
             'registry.halfstack.example/ml/torch:2.0-cuda11.8', 'dfa9da54-4b28-432f-be29-c0d680c7a412',
             '2de2b969-1d04-48a6-af16-0bc8adb3c831', '2023-04-03 09:00+00', NULL, 'training'),
            ('a6f3b1de-0f0d-4b86-a3ad-30a0b6a6b103', 'serving', 'i-node02',
             'mirror.halfstack.example:5000/base/alpine:3.17', 'f38dea23-50fa-42a0-b5ae-338f5f4693f4',
             '2de2b969-1d04-48a6-af16-0bc8adb3c831', '2023-04-03 09:15+00', NULL, 'shell'),
            ('a6f3b1de-0f0d-4b86-a3ad-30a0b6a6b104', 'preparing', NULL,
             'mirror.halfstack.example:5000/base/alpine:3.17', 'f38dea23-50fa-42a0-b5ae-338f5f4693f4',
             '2de2b969-1d04-48a6-af16-0bc8adb3c831', '2023-04-03 09:20+00', NULL, 'cron')
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM kernels WHERE id::text LIKE 'a6f3b1de-0f0d-4b86-a3ad-30a0b6a6b1__'")
    op.execute("DELETE FROM images WHERE name LIKE '%.halfstack.example%'")
    op.execute("DELETE FROM agents WHERE id IN ('i-node01', 'i-node02', 'i-edge01')")
