"""The app: who serves it, page config, navigation; nothing else."""

from pathlib import Path

import streamlit as st

from explorer.ui import state


def main() -> None:
    """One run of the script, for one visitor."""
    st.set_page_config(
        page_title="Lesson 7, explored",
        page_icon=Path("explorer/ui/icon.png"),  # as text it would be looked up among all emojis first: 0.1 s
        layout="wide",
        initial_sidebar_state="collapsed" if state.teacher() else "auto",
    )
    pages = st.navigation(
        {
            "": [st.Page("pages/home.py", title="The lecture", icon=":material/home:", default=True)],
            "Language": [st.Page("pages/char_rnn.py", title="Character RNN", icon=":material/text_fields:")],
            "Vision": [
                st.Page("pages/cifar10.py", title="CIFAR-10", icon=":material/grid_view:"),
                st.Page("pages/cam.py", title="Class activation maps", icon=":material/center_focus_strong:"),
            ],
            "Look inside": [
                st.Page("pages/lr_finder.py", title="LR finder", icon=":material/speed:"),
                st.Page("pages/batchnorm.py", title="Inside the network", icon=":material/layers:"),
                st.Page("pages/runs.py", title="Runs", icon=":material/history:"),
            ],
        }
    )

    from explorer.ui.app import begin, end  # the menu must not wait for anything

    begin()
    pages.run()
    end()


if __name__ == "__main__":
    main()
else:  # imported once, by `streamlit run`, which serves what it finds called app
    from explorer.ui import door

    app = st.App(__file__, middleware=door.MIDDLEWARE, lifespan=door.lifespan)
